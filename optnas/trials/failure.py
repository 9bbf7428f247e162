"""Failed trials: how many failed in the same way."""

from __future__ import annotations

from optuna.trial import FrozenTrial, TrialState

from optnas.trials.record import REASON

__all__ = ["kind_of", "last_failure"]


def kind_of(reason: str) -> tuple[str, str]:
    """Return an error's type and place, without the details that differ from trial to trial."""
    return reason.split(":")[0], reason.rpartition(" (")[2]


def last_failure(trials: list[FrozenTrial]) -> tuple[FrozenTrial, str, int] | None:
    """Return the last failed trial, its reason, and how many failed in the same way; ``None`` without any."""
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    if not failed:
        return None
    reasons = [REASON.get(trial, "its record says no more") for trial in failed]
    same = sum(kind_of(reason) == kind_of(reasons[-1]) for reason in reasons)
    return failed[-1], reasons[-1], same
