"""Failed and infeasible trials: how many ended in the same way."""

from __future__ import annotations

from optuna.trial import FrozenTrial, TrialState

from optnas.trials.record import BUILDABLE, FINITE, MEMORY, REASON, is_feasible

__all__ = ["kind_of", "last_failure", "last_infeasible"]

_UNKNOWN = "its record says no more"

# What pruned trials are told for, the least important first; None stands for the user's constraints.
_INFEASIBLE = {
    None: ("breaks a constraint", "break a constraint"),
    FINITE: ("diverged", "diverged"),
    MEMORY: ("ran out of memory", "ran out of memory"),
    BUILDABLE: ("cannot be built", "cannot be built"),
}


def kind_of(reason: str) -> tuple[str, str]:
    """Return an error's type and place, without the details that differ from trial to trial."""
    return reason.split(":")[0], reason.rpartition(" (")[2]


def last_failure(trials: list[FrozenTrial]) -> tuple[FrozenTrial, str, int] | None:
    """Return the last failed trial, its reason, and how many failed in the same way; ``None`` without any."""
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    if not failed:
        return None
    reasons = [REASON.get(trial, _UNKNOWN) for trial in failed]
    same = sum(kind_of(reason) == kind_of(reasons[-1]) for reason in reasons)
    return failed[-1], reasons[-1], same


def last_infeasible(trials: list[FrozenTrial]) -> tuple[FrozenTrial, str, list[str]] | None:
    """Return what made pruned trials infeasible: the last trial, its reason, and the number of each kind.

    The trial is of the last kind, the most important one. ``None`` if no pruned trial is infeasible.
    """
    kinds: dict[str | None, list[FrozenTrial]] = {kind: [] for kind in _INFEASIBLE}
    for trial in trials:
        if trial.state == TrialState.PRUNED and not is_feasible(trial):
            broken = [name for name, violation in trial.constraints.items() if violation > 0]
            kinds[next((kind for kind in broken if kind in kinds), None)].append(trial)
    found = {kind: of for kind, of in kinds.items() if of}
    if not found:
        return None
    last = list(found.values())[-1][-1]
    told = [f"{len(of)} {_INFEASIBLE[kind][len(of) > 1]}" for kind, of in found.items()]
    return last, REASON.get(last, _UNKNOWN), told
