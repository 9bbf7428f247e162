"""Reports of a trial at its rungs; what cannot be written while the storage is away is written later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from optuna import TrialPruned
from optuna.trial import Trial

from optnas.pruners import ParetoPromotionPruner
from optnas.storages.waiting import StorageAway, impatient
from optnas.trials.optuna_internals import storage_of
from optnas.trials.rungs import report, should_prune

__all__ = ["Paused", "Reports"]


class Paused(TrialPruned):
    """The trial waits at a rung to be promoted."""

    def __init__(self, step: int) -> None:
        super().__init__(f"paused at rung {step}: not among the best so far")


class Reports:
    """Reports of a running trial: each step once, in order.

    A training does not wait for a storage that is away: the report is kept, and written before the next one
    or by :meth:`write`.

    Args:
        trial: The running trial.
        steps: The steps that were reported so far; new ones are added.

    Attributes:
        late: Reports that are still to be written: the objectives' values by step.
    """

    def __init__(self, trial: Trial, steps: set[int]) -> None:
        self.late: dict[int, list[float]] = {}
        self._trial = trial
        self._steps = steps

    def add(self, step: int, values: Callable[[], Sequence[float]]) -> None:
        """Report ``values()``, unless ``step`` was reported before.

        Raises:
            Paused: If the pruner pauses the trial.
            TrialPruned: If it stops it.
        """
        if step in self._steps:  # an evaluation that cannot be resumed passes it again
            return
        self.late[step] = list(values())
        self._steps.add(step)
        pruned = False
        with self.unless_away():
            self.write()
            pruned = should_prune(self._trial)
        if pruned:
            if isinstance(self._trial.study.pruner, ParetoPromotionPruner):
                raise Paused(step)
            raise TrialPruned(f"not among the best at rung {step}")

    def resume(self, late: Mapping[int, list[float]]) -> None:
        """Take over the reports that an earlier worker of the trial could not write."""
        for step in sorted(late.keys() - self._steps):
            self.add(step, partial(late.__getitem__, step))

    def write(self) -> None:
        """Write what is still to be written."""
        for step in sorted(self.late):
            report(self._trial, step, self.late[step])
            del self.late[step]

    @contextmanager
    def unless_away(self) -> Iterator[None]:
        """Leave this context where it would have to wait for the storage."""
        with suppress(StorageAway), impatient(storage_of(self._trial.study)):
            yield
