"""Find and write the checkpoints that a trial resumes from."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import optuna
import torch
from optuna.trial import FrozenTrial, Trial

from optnas.checkpoints.state import State
from optnas.trials.internals import frozen
from optnas.trials.lineage import lineage, paused_at
from optnas.trials.record import CHECKPOINT, CHECKPOINT_NAME, COSTS, RESUMED
from optnas.trials.rungs import rungs_of

if TYPE_CHECKING:
    from optnas.checkpoints.store import Checkpoints
    from optnas.trials.internals import ArtifactStore

__all__ = ["Resumption", "remove_checkpoint"]


class Resumption:
    """What was done for a trial before: by workers that died or were stopped, or in the trial it promotes.

    A store that fails never fails the trial: it is trained without checkpoints from then on, or from its
    start where they cannot be read, and its record says why (``checkpoint``).

    Args:
        trial: The running trial.
        store: Where checkpoints are kept; ``None`` for nowhere.

    Attributes:
        number: Of the trial in which it began, whose seed all that go on with it have.
        steps: What was reported so far.
        costs: What was known and measured of it, by name.
        paused: After how much training its worker paused it, and died before it could end it.
        seconds: What those before had spent until the checkpoint that :meth:`state` returned first.
    """

    def __init__(self, trial: Trial, store: ArtifactStore | None) -> None:
        line = lineage(trial.study, frozen(trial))
        self.number = line[-1].number
        self.steps = {step for each in line for step in rungs_of(each)}
        self.costs = next((costs for each in line if (costs := COSTS.of(each)) is not None), {})
        self.paused = paused_at(line[0])
        self.seconds = 0.0
        self.begun = len(line) > 1 or bool(self.steps)
        self._trial = trial
        self._store = store
        self._asked = False
        self._checkpoints = _checkpoints(store, line)

    def state(self, device: torch.device) -> State | None:
        """Return where the training is to go on from; ``None`` for its start.

        What was kept on a GPU is not gone on with on the CPU, nor the other way round: optimisers keep
        other things there, and it would be neither one's training.
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
        if last is None or ("cuda" in last.state.generators) != (device.type == "cuda"):
            return None
        if first:
            self.seconds = last.seconds
            RESUMED.put(self._trial, last.state.epoch)
        return last.state

    def keep(self, state: State, seconds: float) -> None:
        """Keep where the training is after so many seconds, if there is a store and it can be written."""
        from optnas.checkpoints.store import Checkpoints, StoreError

        if self._store is None:
            return
        if self._checkpoints is None:
            # Its name first: nobody would find, or ever remove, what is kept by a name that was lost.
            name = uuid.uuid4().hex
            CHECKPOINT_NAME.put(self._trial, name)
            self._checkpoints = Checkpoints(self._store, name)
        try:
            self._checkpoints.keep(state, seconds)
        except StoreError as error:
            self._store = None
            CHECKPOINT.put(self._trial, f"could not be kept: {error}")

    def remove(self) -> None:
        """Remove what is kept: nobody will go on with this trial."""
        if self._checkpoints is not None:
            self._checkpoints.remove()


def remove_checkpoint(study: optuna.Study, trial: FrozenTrial, store: ArtifactStore | None) -> None:
    """Remove what is kept of a trial that another worker left."""
    checkpoints = _checkpoints(store, lineage(study, trial))
    if checkpoints is not None:
        checkpoints.remove()


def _checkpoints(store: ArtifactStore | None, line: list[FrozenTrial]) -> Checkpoints | None:
    """Return what was kept of a trial by whoever had it, or the ones that it goes on with."""
    name = next((name for each in line if (name := CHECKPOINT_NAME.of(each)) is not None), None)
    if store is None or name is None:
        return None
    from optnas.checkpoints.store import Checkpoints

    return Checkpoints(store, name)
