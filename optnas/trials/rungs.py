"""Reports of objective values at rungs, for studies of any number of objectives.

Optuna's own ``trial.report`` refuses several objectives, and intermediate values written past it
break its samplers. So with several objectives the values at a rung are a user attribute of the trial,
one for each rung. With one objective they are Optuna's own intermediate values.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.pruners import NopPruner
from optuna.trial import FrozenTrial, Trial

from optnas.shared_code import shared_code
from optnas.trials.accepted import damaged, listed, number
from optnas.trials.optuna_internals import latest
from optnas.trials.record import metric_names

__all__ = ["PREFIX", "report", "rungs_of", "should_prune", "whole_step"]

PREFIX = "rung:"
_MOST_DIGITS = 18
_values = listed(number)


def report(trial: Trial, step: int, values: Mapping[str, float] | Sequence[float]) -> None:
    """Record the objectives' values after ``step`` units of training, with one write to the storage.

    Args:
        trial: The running trial.
        step: Amount of training so far, e.g. epochs.
        values: One value per objective, in the study's order; by name or not. Exactly known values, such as
            FLOPs, are given in full at every rung. With the study's metric names set, a mapping may be in
            any order.

    Raises:
        TypeError: If the step is no whole number.
        ValueError: If it is negative or too large for databases; or if there are more or fewer values than
            objectives, or other names.
    """
    study, step = trial.study, whole_step(step)
    if isinstance(values, Mapping):
        names = metric_names(study)
        if names is not None:
            if set(names) != set(values):
                raise ValueError(f"report: the study's objectives are {names}, not {list(values)}")
            values = {name: values[name] for name in names}
    found = [float(value) for value in (values.values() if isinstance(values, Mapping) else values)]
    if len(found) != len(study.directions):
        raise ValueError(f"report: the study has {len(study.directions)} objectives, not {len(found)}")
    if len(found) == 1:
        trial.report(found[0], step)
    else:
        trial.set_user_attr(f"{PREFIX}{step}", found)


def whole_step(step: Any) -> int:
    """Return the step of a report, which may be a number of NumPy or 2.0, as ``int``.

    Raises:
        TypeError: If it is no whole number.
        ValueError: If it is negative or too large for databases.
    """
    is_whole = isinstance(step, numbers.Integral) or (isinstance(step, numbers.Real) and step % 1 == 0)
    if not is_whole:
        raise TypeError(f"report: the step is a whole number such as an epoch, not {step!r}")
    if not 0 <= int(step) < 10**_MOST_DIGITS:
        raise ValueError(f"report: the step is a whole number from 0 to 10**{_MOST_DIGITS}, not {step!r}")
    return int(step)


def should_prune(trial: Trial) -> bool:
    """Return whether the study's pruner stops the trial, given its reports so far."""
    pruner = trial.study.pruner
    if isinstance(pruner, NopPruner):
        return False
    # Like Optuna's own should_prune, this does not read again what this process knows of the trial.
    record = latest(trial)
    with shared_code(pruner):
        return pruner.prune(trial.study, record)


def rungs_of(trial: FrozenTrial) -> dict[int, list[float]]:
    """Return the reports of ``trial``: the objectives' values by rung, ascending."""
    found = {step: [value] for step, value in trial.intermediate_values.items()}
    for key, values in trial.user_attrs.items():
        if key.startswith(PREFIX):
            step = key.removeprefix(PREFIX)
            if step.isdecimal() and len(step) <= _MOST_DIGITS and _values(values):
                found[int(step)] = values
            else:
                damaged(f"trial {trial.number}", key)
    return dict(sorted(found.items()))
