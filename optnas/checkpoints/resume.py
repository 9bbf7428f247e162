"""Find and write the checkpoints that a trial resumes from."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import optuna
import torch
from optuna.trial import FrozenTrial, Trial

from optnas.checkpoints.state import State
from optnas.shown import notice
from optnas.trials.lineage import lineage, paused_at
from optnas.trials.optuna_internals import frozen
from optnas.trials.record import CHECKPOINT, CHECKPOINT_NAME, COSTS, KEY, METRICS, RESUMED, TWIN
from optnas.trials.rungs import rungs_of

if TYPE_CHECKING:
    from optnas.checkpoints.store import Checkpoints
    from optnas.trials.optuna_internals import ArtifactStore

__all__ = ["Resumption", "remove_checkpoint", "tell_once"]

# The stores of which it was said that they cannot be written, by their ids.
_told: WeakValueDictionary[int, ArtifactStore] = WeakValueDictionary()


class Resumption:
    """Earlier work on a trial, by workers that stopped or died, or in the paused trial that it resumes.

    An error of the store never fails the trial. Without a store that can be written, it trains without
    checkpoints; if they cannot be read or are damaged, it starts anew. Its record says why (``checkpoint``).

    Args:
        trial: The running trial.
        store: The artifact store of checkpoints; ``None`` for none.
        before_removal: Called before checkpoints are removed, to write what the training came to.

    Attributes:
        number: The number of the trial in which the training began; trials that resume it use its seed.
        steps: The steps at which values were reported so far.
        costs: The costs counted and measured so far, by name.
        paused: The step at which a worker paused the trial and died before ending it; ``None`` if none did.
        key: The key of the candidate that was trained; ``None`` if that is not recorded.
        begun: Whether it was trained before.
        metrics: What the evaluation returned, if its worker died as it ended; else ``None``.
        seconds: Seconds of training before the checkpoint that :meth:`state` returned first.
        late: Reports that could not be written before that checkpoint: the objectives' values by step.
    """

    def __init__(
        self, trial: Trial, store: ArtifactStore | None, before_removal: Callable[[], object] = lambda: None
    ) -> None:
        line = lineage(trial.study, frozen(trial))
        self.number = line[-1].number
        self.steps = {step for each in line for step in rungs_of(each)}
        self.costs = next((costs for each in line if (costs := COSTS.of(each)) is not None), {})
        self.paused = paused_at(line[0])
        self.key = next((key for each in line if (key := KEY.of(each)) is not None), None)
        self.metrics = METRICS.of(line[0]) if TWIN.of(line[0]) is None else None
        self.seconds = 0.0
        self.late: Mapping[int, list[float]] = {}
        self.begun = len(line) > 1 or bool(self.steps)
        self._trial = trial
        self._store = store
        self._before_removal = before_removal
        self._asked = False
        self._checkpoints = _checkpoints(store, line)

    def state(self, device: torch.device) -> State | None:
        """Return the state that the training resumes from; ``None`` to start anew.

        A state from a GPU is not resumed on the CPU, nor the other way round: optimisers keep different
        state there, and the result would be neither device's training.
        """
        from optnas.checkpoints.store import StoreError

        first, self._asked = not self._asked, True
        if self._checkpoints is None:
            return None
        try:
            last = self._checkpoints.last()
        except StoreError as error:
            CHECKPOINT.put(self._trial, f"could not be read, trained anew: {error}")
            return None
        if self._checkpoints.damage is not None:
            went_on = "trained anew" if last is None else "went on from the one before"
            CHECKPOINT.put(self._trial, f"{went_on}: {self._checkpoints.damage}")
        if last is None or ("cuda" in last.state.generators) != (device.type == "cuda"):
            return None
        if first:
            self.seconds, self.late = last.seconds, last.late
            RESUMED.put(self._trial, last.state.epoch)
        return last.state

    def discard(self) -> None:
        """Begin anew: what was trained was another network, or was trained in another way."""
        self.discard_checkpoint()
        self.steps.clear()
        self.costs, self.paused, self.metrics, self.begun = {}, None, None, False

    def discard_checkpoint(self) -> None:
        """Train anew, as the checkpoint is none of this training."""
        self.remove()
        self._checkpoints, self.seconds, self.late = None, 0.0, {}
        CHECKPOINT.put(self._trial, "was of another network or training, trained anew")

    def keep(self, state: State, seconds: float, late: Mapping[int, list[float]]) -> None:
        """Write a checkpoint, if there is a store that can be written.

        Args:
            state: The state of the training.
            seconds: Seconds of training until then.
            late: Reports that are still to be written: the objectives' values by step.
        """
        from optnas.checkpoints.store import Checkpoints, StoreError

        if self._store is None:
            return
        if self._checkpoints is None:
            # The name is recorded first: a checkpoint whose name is lost would never be found or removed.
            name = uuid.uuid4().hex
            CHECKPOINT_NAME.put(self._trial, name)
            self._checkpoints = Checkpoints(self._store, name)
        try:
            self._checkpoints.keep(state, seconds, late)
        except StoreError as error:
            CHECKPOINT.put(self._trial, f"could not be kept: {error}")
            tell_once(
                self._store,
                f"checkpoints cannot be kept: {error}; a trial that is stopped until then begins anew",
            )
            self._store = None

    def remove(self) -> None:
        """Remove the checkpoints of this trial, as no trial will resume from them."""
        if self._checkpoints is not None:
            self._before_removal()
            self._checkpoints.remove()


def tell_once(store: ArtifactStore, what: str) -> None:
    """Say once of a store on standard error that it cannot be written."""
    if _told.get(id(store)) is not store:
        _told[id(store)] = store
        notice(what)


def remove_checkpoint(study: optuna.Study, trial: FrozenTrial, store: ArtifactStore | None) -> None:
    """Remove the checkpoints of a trial that another worker left."""
    checkpoints = _checkpoints(store, lineage(study, trial))
    if checkpoints is not None:
        checkpoints.remove()


def _checkpoints(store: ArtifactStore | None, line: list[FrozenTrial]) -> Checkpoints | None:
    """Return the checkpoints of the newest trial in ``line`` that has any; ``None`` if none has."""
    name = next((name for each in line if (name := CHECKPOINT_NAME.of(each)) is not None), None)
    if store is None or name is None:
        return None
    from optnas.checkpoints.store import Checkpoints

    return Checkpoints(store, name)
