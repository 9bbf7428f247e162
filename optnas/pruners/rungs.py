"""Values at rungs, for studies of any number of objectives.

Optuna's own ``trial.report`` refuses several objectives, and intermediate values written past it
break its samplers; so the values at a rung are a user attribute of the trial, one for each rung.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optuna.pruners import NopPruner
from optuna.trial import FrozenTrial, Trial

__all__ = ["PREFIX", "report", "rungs_of", "should_prune"]

PREFIX = "rung:"


def report(trial: Trial, step: int, values: Mapping[str, float] | Sequence[float]) -> None:
    """Record the objectives' values after ``step`` units of training. One write to the storage.

    Args:
        trial: The running trial.
        step: How much was spent so far, e.g. epochs.
        values: One value an objective, in the study's order; by name or not. What is known exactly,
            such as FLOPs, is given in full at every rung.
    """
    numbers = values.values() if isinstance(values, Mapping) else values
    trial.set_user_attr(f"{PREFIX}{step}", [float(value) for value in numbers])
    if len(trial.study.directions) == 1:
        trial.report(float(next(iter(numbers))), step)


def should_prune(trial: Trial) -> bool:
    """Return whether the study's pruner gives the trial up, going by what was reported so far."""
    pruner = trial.study.pruner
    if isinstance(pruner, NopPruner):
        return False
    frozen = trial.storage.get_trial(trial._trial_id)
    return pruner.prune(trial.study, frozen)


def rungs_of(trial: FrozenTrial) -> dict[int, list[float]]:
    """Return what was reported for ``trial``: the objectives' values by rung, ascending."""
    found = {
        int(key.removeprefix(PREFIX)): values
        for key, values in trial.user_attrs.items()
        if key.startswith(PREFIX)
    }
    return dict(sorted(found.items()))
