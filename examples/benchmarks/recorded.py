"""Recorded trainings: what each architecture of a table had reached after so many epochs."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from samplers import TableProblem
from volume import Volume

from optnas import UserError, tables
from optnas.errors import nearest

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        cost: What is known of the architecture beforehand.
        curve: The metric after so many epochs, ascending; NaN where the training diverged.
    """

    cost: float
    curve: Mapping[int, float]

    @property
    def epochs(self) -> int:
        """How many epochs the training took."""
        return max(self.curve)

    @property
    def result(self) -> float:
        """The metric at the end."""
        return self.curve[self.epochs]


@dataclass(frozen=True)
class Recording:
    """The trainings of a table of architectures.

    Attributes:
        runs: By the architectures' choices, or their number where they have none.
        maximize: Whether the metric is to be maximised.
        problem: The choices as a search space, where there are some.
    """

    runs: Mapping[Key, Run]
    maximize: bool
    problem: TableProblem | None

    @property
    def directions(self) -> list[str]:
        return ["maximize" if self.maximize else "minimize", "minimize"]

    @cached_property
    def epochs(self) -> int:
        """What a full training takes."""
        return max(run.epochs for run in self.runs.values())

    @cached_property
    def volume(self) -> Volume:
        """Judges results as (error, cost) of :meth:`point`, as samplers.py does."""
        results = [run.result for run in self.runs.values() if math.isfinite(run.result)]
        clip = (30.0 if max(results) > 1 else 0.3) if self.maximize else math.inf
        return Volume(np.array([self.point(run) for run in self.runs.values()]), clip)

    def point(self, run: Run) -> tuple[float, float]:
        return (-run.result if self.maximize else run.result), run.cost


def read_table(
    path: Path, choices: Sequence[str], rungs: Mapping[int, str], cost: str, *, maximize: bool
) -> Recording:
    """Read a CSV file with a column for each number of epochs; ``nan`` is a training that diverged.

    Args:
        path: The file, which may be compressed.
        choices: The columns that tell architectures apart.
        rungs: The column of the metric after so many epochs; the last is the result.
        cost: The column of what is known beforehand.
        maximize: Whether the metric is to be maximised.

    Raises:
        UserError: If the file is not like that.
    """
    table = tables.read(path, choices=choices, metrics=[*rungs.values(), cost], known=[cost])
    ascending = sorted(rungs.items())
    runs = {
        key: Run(row[cost], {epochs: row[name] for epochs, name in ascending})
        for key, row in table.rows.items()
    }
    return Recording(runs, maximize, TableProblem(table, ascending[-1][1], cost))


def read_curves(path: Path, choices: Sequence[str], metric: str, cost: str, *, maximize: bool) -> Recording:
    """Read a JSON list of trainings, each with the list of a metric's values after every epoch.

    Args:
        path: The file, which may be compressed.
        choices: The fields that tell architectures apart; without any there is no search space, and
            every training is an architecture.
        metric: The field of the curve.
        cost: The field of what is known beforehand.
        maximize: Whether the metric is to be maximised.

    Raises:
        UserError: If the file is not like that.
    """
    try:
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found = json.loads(text)
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"curves {path} cannot be read: {error}") from None
    records = list(found.values()) if isinstance(found, dict) else found
    runs: dict[Key, Run] = {}
    for number, record in enumerate(records):
        for field in (metric, cost, *choices):
            if field not in record:
                raise UserError(f"curves {path}, record {number}: no {field!r}: {nearest(field, record)}")
        key = tuple(record[name] for name in choices) if choices else (number,)
        if key in runs:
            raise UserError(f"curves {path}, record {number}: a training with these choices is already there")
        if record[metric]:
            values = [math.nan if value is None else float(value) for value in record[metric]]
            runs[key] = Run(float(record[cost]), dict(enumerate(values, start=1)))
    if not runs:
        raise UserError(f"curves {path}: nothing is recorded there")
    if not choices:
        return Recording(runs, maximize, None)
    columns = {name: sorted({key[i] for key in runs}) for i, name in enumerate(choices)}
    rows = {key: {cost: run.cost, metric: run.result} for key, run in runs.items()}
    return Recording(runs, maximize, TableProblem(tables.Table(rows, columns, [cost]), metric, cost))
