"""Trials as plain data, for other programs."""

from __future__ import annotations

import csv
import io
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from optnas.reports.terminal import objective_names

__all__ = ["as_csv", "as_record"]

_SOMETIMES = ("reason", "pieces", "eager", "paused", "promotes", "resumed", "checkpoint")


def as_record(study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
    """Return a trial as data that JSON can hold."""
    attributes = trial.user_attrs
    values = dict(zip(objective_names(study), trial.values or (), strict=False))
    return {
        "number": trial.number,
        "state": trial.state.name,
        "values": values,
        "architecture": attributes.get("architecture"),
        "params": trial.params,
        "costs": attributes.get("costs", {}),
        "metrics": attributes.get("metrics", {}),
        **{name: attributes[name] for name in _SOMETIMES if attributes.get(name) is not None},
    }


def as_csv(study: optuna.Study, trials: list[FrozenTrial]) -> str:
    """Return trials as CSV: number, values, architecture, costs, parameters."""
    records = [as_record(study, trial) for trial in trials]
    names = objective_names(study)
    costs = sorted({name for record in records for name in record["costs"]} - set(names))
    params = list(dict.fromkeys(name for record in records for name in record["params"]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", *names, "architecture", *costs, *params])
    for record in records:
        writer.writerow(
            [
                record["number"],
                *(record["values"].get(name) for name in names),
                record["architecture"],
                *(record["costs"].get(name) for name in costs),
                *(record["params"].get(name) for name in params),
            ]
        )
    return text.getvalue()
