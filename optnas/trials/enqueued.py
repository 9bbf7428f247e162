"""Check of the parameters that a trial was enqueued with: which were used, which are ignored."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial, Trial, TrialState

from optnas.errors import Note
from optnas.trials.record import ARCHITECTURE, ENQUEUED, IGNORED

__all__ = ["record_ignored", "was_refused"]


def record_ignored(trial: Trial, enqueued: Mapping[str, Any], used: Mapping[str, Any]) -> None:
    """Record and tell which enqueued parameters a trial does not use, as it has no such choice to make."""
    ignored = {name: value for name, value in enqueued.items() if name not in used}
    if ignored:
        IGNORED.put(trial, ignored)
        told = ", ".join(f"{name} = {value!r}" for name, value in ignored.items())
        warnings.warn(
            f"trial {trial.number} was enqueued with {told} and has no use for it", Note, stacklevel=2
        )


def was_refused(trial: FrozenTrial) -> bool:
    """Return whether a trial failed for its enqueued parameters, which are not of the space."""
    undecided = trial.state == TrialState.FAIL and ARCHITECTURE.of(trial) is None
    return undecided and bool(ENQUEUED.of(trial))
