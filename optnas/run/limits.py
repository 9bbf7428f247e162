"""Reasons to stop a run before its total of trials: time, a front that no longer moves, a callback."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import optuna

from optnas.run.options import Callback
from optnas.storages.waiting import now
from optnas.trials.optuna_internals import call_back
from optnas.trials.progress import finished_trials, trials_since_front_moved

__all__ = ["Callbacks", "Limits"]


@dataclasses.dataclass(frozen=True)
class Limits:
    """When no further trial is started, though the total is not reached. Running ones are finished.

    Attributes:
        until: A time, as :func:`~optnas.storages.waiting.now` counts; ``None`` for no limit.
        patience: Number of finished trials without a change of the front; ``None`` for no limit.
    """

    until: float | None = None
    patience: int | None = None

    def reached(self, study: optuna.Study) -> str | None:
        """Return which limit is reached, in words; ``None`` if none is."""
        if self.until is not None and now() >= self.until:
            return "the time is up; run it again to go on"
        if self.patience is not None:
            still = trials_since_front_moved(study, study.get_trials(deepcopy=False))
            if still >= self.patience:
                return f"the front has not moved for {still} trials; a larger --patience goes on"
        return None


class Callbacks:
    """Calls of a user's callbacks, once for each trial that finishes from now on, by any worker.

    Attributes:
        stopped: Whether one of them has called ``study.stop()``.
    """

    def __init__(self, study: optuna.Study, callbacks: Sequence[Callback]) -> None:
        self._study = study
        self._callbacks = callbacks
        self._known = {trial.number for trial in finished_trials(study)} if callbacks else set()
        self.stopped = False

    def call(self) -> bool:
        """Call them with each trial that has finished since the last call; return whether the run goes on."""
        for trial in finished_trials(self._study) if self._callbacks else ():
            if trial.number not in self._known:
                self._known.add(trial.number)
                self.stopped |= call_back(self._study, self._callbacks, trial)
        return not self.stopped
