"""Tabular benchmarks: search over a table of recorded results, without training."""

from __future__ import annotations

import csv
import gzip
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from optnas.candidate import Candidate
from optnas.errors import UserError, nearest, searched
from optnas.space import Node, Op, SpaceError, choose, register

__all__ = ["Table", "read"]

_ROW = register(
    Op(
        "row",
        inspect.Signature([inspect.Parameter("choices", inspect.Parameter.VAR_KEYWORD)]),
        "One row of a table of recorded architectures, by its choices.",
    ),
    builtin=True,
)


class Table:
    """A table of recorded results, one architecture per row, for a study's ``evaluate`` and ``costs``.

    Attributes:
        choices: The columns that identify an architecture, each with all its values.
        metrics: The columns with measured values.
        known: The columns of ``metrics`` that are known before an evaluation, such as FLOPs.
    """

    def __init__(
        self,
        rows: Mapping[tuple[Any, ...], Mapping[str, float]],
        choices: Mapping[str, Sequence[Any]],
        known: Sequence[str] = (),
    ) -> None:
        self.rows = rows
        self.choices = {name: tuple(values) for name, values in choices.items()}
        self.metrics = tuple(next(iter(rows.values())))
        self.known = tuple(known)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def space(self) -> Node:
        """Search space with one choice for each column of ``choices``."""
        return _ROW(**{name: choose(*values, name=name) for name, values in self.choices.items()})

    def row(self, architecture: Node) -> Mapping[str, float]:
        """Return the recorded metrics of an architecture of :attr:`space`.

        Raises:
            SpaceError: If the table has no such row; the trial is then pruned as infeasible.
        """
        chosen = architecture.arguments
        try:
            return self.rows[tuple(chosen[name] for name in self.choices)]
        except KeyError:
            raise SpaceError(f"the table has no row {architecture}") from None

    def __call__(self, candidate: Candidate, report: Callable[..., None]) -> Mapping[str, float]:
        """Return the recorded metrics of a candidate, for ``Study(evaluate=table)``."""
        return self.row(candidate.architecture)

    def costs(self, candidate: Candidate) -> dict[str, float]:
        """Return the metrics of a candidate known before its evaluation, for ``Study(costs=table.costs)``."""
        row = self.row(candidate.architecture)
        return {name: row[name] for name in self.known}


def read(
    path: str | Path, *, choices: Sequence[str], metrics: Sequence[str], known: Sequence[str] = ()
) -> Table:
    """Read a table of finished results from a CSV file, which may be compressed (``.gz``).

    Args:
        path: The file; its first line names the columns.
        choices: The columns that identify an architecture. A column whose values are all numbers is a
            choice among numbers.
        metrics: The columns with measured values, all numbers.
        known: The columns of ``metrics`` that are known before an evaluation.

    Raises:
        UserError: If there is no such file or column, a metric is not a number, a choice among numbers
            is empty, or two rows have the same choices.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no such table: {path}{searched(path)}")
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
        try:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            records = list(reader)
        except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"table {path} cannot be read: {error}") from None
    for column in (*choices, *metrics, *known):
        if column not in columns:
            raise UserError(f"table {path} has no column {column!r}: {nearest(column, columns)}")
    if not choices or not metrics:
        raise UserError(f"table {path}: name at least one column of choices and one of metrics")
    if not records:
        raise UserError(f"table {path} has no rows")
    for line, record in enumerate(records, start=2):
        if None in record.values():
            raise UserError(f"table {path}, line {line}: it is shorter than the first line")
    read_value = {name: _reader([record[name] for record in records]) for name in choices}
    rows: dict[tuple[Any, ...], dict[str, float]] = {}
    for line, record in enumerate(records, start=2):
        for name in choices:
            if read_value[name] is not str and not record[name]:
                raise UserError(f"table {path}, line {line}: {name} is empty")
        key = tuple(read_value[name](record[name]) for name in choices)
        if key in rows:
            raise UserError(f"table {path}, line {line}: a row with these choices is already there")
        rows[key] = {name: _number(path, line, name, record[name]) for name in (*metrics, *known)}
    values = {name: sorted({key[i] for key in rows}) for i, name in enumerate(choices)}
    return Table(rows, values, known)


def _reader(texts: Sequence[str]) -> Callable[[str], Any]:
    """Return the type of a column of choices: ``int``, ``float`` or ``str``."""
    texts = [text for text in texts if text]
    for kind in (int, float):
        try:
            if texts and all(math.isfinite(kind(text)) for text in texts):
                return kind
        except ValueError:
            pass
    return str


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        raise UserError(f"table {path}, line {line}: {column} = {text!r} is not a number") from None
