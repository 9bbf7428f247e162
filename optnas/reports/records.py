"""Export of trials as JSON data and as CSV, for other programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial

from optnas.reports.front_table import objective_names
from optnas.trials.record import (
    ARCHITECTURE,
    BROKE,
    CHECKPOINT,
    COSTS,
    EAGER,
    IGNORED,
    INHERITED,
    LEARNED,
    MEASUREMENTS,
    METRICS,
    PAUSED,
    PIECES,
    PROMOTES,
    REASON,
    RESUMED,
    TRACEBACK,
    UNBOUNDED,
    Attribute,
)

if TYPE_CHECKING:
    import pandas

__all__ = ["Equal", "as_csv", "as_frame", "as_json", "as_record", "as_records", "finite"]

Equal = Mapping[int, Sequence[int]]
"""The numbers of further trials with a trial's values, by its number."""

_NONE: Equal = {}
_SOMETIMES: tuple[Attribute[Any], ...] = (
    REASON,
    TRACEBACK,
    MEASUREMENTS,
    IGNORED,
    LEARNED,
    UNBOUNDED,
    PIECES,
    BROKE,
    EAGER,
    PAUSED,
    PROMOTES,
    INHERITED,
    RESUMED,
    CHECKPOINT,
)


def as_record(study: optuna.Study, trial: FrozenTrial, equal: Sequence[int] = ()) -> dict[str, Any]:
    """Return a trial as a dictionary that can be written as JSON.

    Args:
        study: The study.
        trial: The trial.
        equal: The numbers of trials with equal values that it stands for.
    """
    values = dict(zip(objective_names(study), trial.values or (), strict=False))
    return {
        "number": trial.number,
        "state": trial.state.name,
        "values": values,
        **({"equal": [*equal]} if equal else {}),
        "architecture": ARCHITECTURE.of(trial),
        "params": trial.params,
        "costs": COSTS.get(trial, {}),
        "metrics": METRICS.get(trial, {}),
        **{known.name: known.of(trial) for known in _SOMETIMES if known.of(trial) is not None},
    }


def as_records(study: optuna.Study, trials: list[FrozenTrial], equal: Equal = _NONE) -> list[dict[str, Any]]:
    """Return trials as dictionaries, with what each is ``equal`` to."""
    return [as_record(study, trial, equal.get(trial.number, ())) for trial in trials]


def as_json(record: Any) -> str:
    """Return a record, or a list of them, as JSON, which has no infinite numbers: they become null."""
    # Of the control characters, the one that JSON does not escape by itself.
    return json.dumps(finite(record), indent=2).replace("\x7f", "\\u007f") + "\n"


def finite(value: Any) -> Any:
    """Return data with null in place of infinite numbers, which JSON does not have."""
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_csv(study: optuna.Study, trials: list[FrozenTrial], *, equal: Equal = _NONE) -> str:
    """Return trials as CSV: number, values, architecture, costs, parameters; see :func:`as_frame`."""
    frame = as_frame(study, trials, metrics=False, equal=equal)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def as_frame(
    study: optuna.Study, trials: list[FrozenTrial], *, metrics: bool = True, equal: Equal = _NONE
) -> pandas.DataFrame:
    """Return trials as a table: number, values, architecture, costs, metrics, parameters.

    The numbers of trials that one is ``equal`` to, if there are any, are a column, separated by spaces.
    A parameter that has the name of another column is called ``params_…``, as in Optuna's own table.
    """
    import pandas

    records = [as_record(study, trial) for trial in trials]
    names = objective_names(study)
    columns: dict[str, list[Any]] = {"number": [record["number"] for record in records]}
    columns |= {name: [record["values"].get(name) for record in records] for name in names}
    if equal:
        columns["equal"] = [" ".join(map(str, equal.get(trial.number, ()))) for trial in trials]
    columns["architecture"] = [record["architecture"] for record in records]
    for kind in ("costs", "metrics") if metrics else ("costs",):
        for name in sorted({name for record in records for name in record[kind]} - columns.keys()):
            columns[name] = [record[kind].get(name) for record in records]
    for name in dict.fromkeys(name for record in records for name in record["params"]):
        values = [record["params"].get(name) for record in records]
        columns[name if name not in columns else f"params_{name}"] = values
    return pandas.DataFrame({name: _column(values) for name, values in columns.items()})


def _column(values: list[Any]) -> pandas.Series:
    """Return values as a column in which whole numbers stay whole, also where some are missing."""
    import pandas

    there = [value for value in values if value is not None]
    whole = bool(there) and all(isinstance(value, int) and not isinstance(value, bool) for value in there)
    return pandas.Series(values, dtype="Int64" if whole and len(there) < len(values) else None)
