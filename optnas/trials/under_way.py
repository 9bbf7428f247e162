"""Stages of trainings that run, for those who watch the study; a worker's claim on its trial carries them."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable
from typing import Any
from weakref import WeakKeyDictionary

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from optnas.trials.optuna_internals import id_of, storage_of
from optnas.trials.record import WORKER

__all__ = ["BEAT_SECONDS", "Stage", "forget_stage", "note_stage", "stage_here", "stage_of", "stages"]

BEAT_SECONDS = 10.0
"""Time between two beats of a worker, by which it renews its claim and tells how far it is."""

_LARGEST = 10**12


@dataclasses.dataclass(frozen=True)
class Stage:
    """The epoch that a training has reached.

    Attributes:
        epoch: Number of epochs done, with the share of the one that runs.
        epochs: Number of epochs of the whole; ``None`` if unknown, as in an evaluation of the user's own,
            whose last reported step ``epoch`` is.
    """

    epoch: float
    epochs: float | None = None

    def __str__(self) -> str:
        if self.epochs is None:
            return f"step {_number(self.epoch, 0)}"
        return f"epoch {_number(self.epoch, 1)} of {_number(self.epochs, 0)}"

    @property
    def share(self) -> float:
        """The share of the whole that is done, 0 to 1; 0 if unknown."""
        return min(1.0, max(0.0, self.epoch / self.epochs)) if self.epochs else 0.0

    def entries(self) -> dict[str, float]:
        """Return the entries of a claim that say this."""
        whole = {} if self.epochs is None else {"epochs": self.epochs}
        return {"epoch": round(self.epoch, 2), **whole}


_here: WeakKeyDictionary[BaseStorage, dict[int, Stage]] = WeakKeyDictionary()


def note_stage(trial: Trial, stage: Stage) -> None:
    """Note how far a training of this process is; it is written with the worker's next beat."""
    _here.setdefault(storage_of(trial.study), {})[id_of(trial)] = stage


def forget_stage(trial: Trial) -> None:
    """Forget how far a training of this process is, as it has ended."""
    _here.get(storage_of(trial.study), {}).pop(id_of(trial), None)


def stage_here(storage: BaseStorage, trial_id: int) -> Stage | None:
    """Return how far a training of this process is; ``None`` if none runs."""
    return _here.get(storage, {}).get(trial_id)


def stage_of(trial: FrozenTrial, states: Container[TrialState] = (TrialState.RUNNING,)) -> Stage | None:
    """Return how far a trial is, if it is in one of the states and its worker has said so; else ``None``."""
    claim: dict[str, Any] = (trial.state in states and WORKER.of(trial)) or {}
    return Stage(claim["epoch"], claim.get("epochs")) if "epoch" in claim else None


def stages(
    trials: Iterable[FrozenTrial], states: Container[TrialState] = (TrialState.RUNNING,)
) -> dict[int, Stage]:
    """Return by number how far the running trials are whose workers have said so.

    Args:
        trials: The trials.
        states: Those of which states; of one that waits it is how far it was when it was put back.
    """
    found = ((trial.number, stage_of(trial, states)) for trial in trials)
    return {number: stage for number, stage in found if stage is not None}


def _number(value: float, digits: int) -> str:
    # Anyone who reaches the database can write a number of 300 digits into it.
    return f"{value:.{digits}f}" if abs(value) < _LARGEST else f"{value:.3g}"
