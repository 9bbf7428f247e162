"""The states of trials in words, as people read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from optuna.trial import FrozenTrial, TrialState

from optnas.trials.record import HOPELESS

__all__ = ["LEARNED_NOTHING", "STATES", "counted", "state_of"]

LEARNED_NOTHING = "learned nothing"
"""The state of a trial that was stopped because it had learned nothing: to Optuna, one that was pruned."""

_NAMES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}

STATES = ("complete", "pruned", LEARNED_NOTHING, "failed", "running", "waiting")
"""All states in words, in the order that they are shown in."""


def state_of(trial: FrozenTrial) -> str:
    """Return a trial's state in words, one of :data:`STATES`."""
    if trial.state == TrialState.PRUNED and HOPELESS.of(trial):
        return LEARNED_NOTHING
    return _NAMES[trial.state]


def counted(trials: Iterable[FrozenTrial]) -> dict[str, int]:
    """Return the number of trials by state in words; there is no entry for a state of none."""
    found = Counter(map(state_of, trials))
    return {state: found[state] for state in STATES if found[state]}
