"""Export of trials as JSON data and as CSV, for other programs."""

from __future__ import annotations

import csv
import io
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from optnas.reports.front_table import objective_names
from optnas.trials.record import (
    ARCHITECTURE,
    CHECKPOINT,
    COSTS,
    EAGER,
    IGNORED,
    MEASUREMENTS,
    METRICS,
    PAUSED,
    PIECES,
    PROMOTES,
    REASON,
    RESUMED,
    Attribute,
)

__all__ = ["as_csv", "as_record"]

_SOMETIMES: tuple[Attribute[Any], ...] = (
    REASON,
    MEASUREMENTS,
    IGNORED,
    PIECES,
    EAGER,
    PAUSED,
    PROMOTES,
    RESUMED,
    CHECKPOINT,
)


def as_record(study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
    """Return a trial as a dictionary that can be written as JSON."""
    values = dict(zip(objective_names(study), trial.values or (), strict=False))
    return {
        "number": trial.number,
        "state": trial.state.name,
        "values": values,
        "architecture": ARCHITECTURE.of(trial),
        "params": trial.params,
        "costs": COSTS.get(trial, {}),
        "metrics": METRICS.get(trial, {}),
        **{known.name: known.of(trial) for known in _SOMETIMES if known.of(trial) is not None},
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
