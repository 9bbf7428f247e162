"""A table whose columns are understood, and the features that they become."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from optnas.data.arrays import Kind, classes_in
from optnas.data.column import Column, Reading
from optnas.data.columns import understand
from optnas.data.csv_pieces import FileFormat
from optnas.data.data import Splits
from optnas.data.numbers import Array
from optnas.data.origin import Origin, at_random_told
from optnas.data.schemas import Target as Predicted
from optnas.data.schemas.table import Rows, TooFar
from optnas.data.split import splits_of, three_parts
from optnas.data.table_figures import fitted
from optnas.data.target_column import Target, target_of, without_target
from optnas.errors import UserError, nearest

__all__ = ["Plan", "Tabular", "tabular"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """The options of :func:`optnas.data.csv` and :func:`optnas.data.frame`."""

    name: str
    target: str | None
    drop: Sequence[str] = ()
    unlabelled: str = "refuse"
    validation: float = 0.2
    test: float = 0.2
    seed: int = 0
    reading: Reading = dataclasses.field(default_factory=Reading)


@dataclasses.dataclass(frozen=True, eq=False)
class Tabular:
    """A table whose columns are understood.

    Attributes:
        plan: What to make of it.
        columns: Every column but the target and those that the plan drops.
        rows: Number of rows that are used.
        target: The column to predict, a pandas Series; ``None`` if the plan has none.
        notes: Guesses about the table as a whole.
        table: The rows that are used, a pandas DataFrame.
        file: How the file is written that it is from, if it is.
        path: That file.
    """

    plan: Plan
    columns: tuple[Column, ...]
    rows: int
    target: Any
    notes: tuple[str, ...]
    table: Any
    file: FileFormat = FileFormat()  # noqa: RUF009 - it is frozen
    path: Path | None = None

    @property
    def refused(self) -> tuple[str, ...]:
        """The names of the columns that cannot be used as they are."""
        return tuple(column.name for column in self.columns if column.kind == "refused")

    @property
    def holds_numbers(self) -> bool:
        """Whether the target can be values as well as classes."""
        try:
            return not self.aim("values").classes
        except UserError:
            return False

    def aim(self, kind: Kind, *, by_task: bool = False) -> Target:
        """Return the target as classes or values.

        Raises:
            UserError: If it cannot be that.
        """
        return target_of(self.plan.name, self.target, kind, self.plan.reading, by_task=by_task)

    def likely(self) -> Target:
        """Return the target as what a task most likely learns of it.

        Raises:
            UserError: If it can be neither classes nor values.
        """
        try:
            return self.aim("auto")
        except UserError:
            return self.aim("values")

    def splits(self, target: Target) -> Splits:
        """Return the three parts, with features by the statistics of the training part.

        Raises:
            UserError: If a column is refused, or the table cannot be split.
        """
        self._check_columns()
        parts = self.parts(target)
        self._check_features()
        schema = fitted(self.columns, parts[0], self.file)
        try:
            tensors, unseen = schema.read(Rows(self.table))
        except TooFar as error:
            raise UserError(
                f"data {self.plan.name!r}: {error}, say missing=[...] with its text, or say"
                f" drop=[{error.column!r}]"
            ) from None
        with torch.no_grad():
            features = schema.preparation()(tensors)
        return dataclasses.replace(
            splits_of(features, target.values, parts),
            notes=(*self.told(target), *map(str, unseen)),
            schema=schema,
            target=Predicted(str(self.plan.target), target.classes),
            origin=Origin(self.path, self._split(target), "random"),
        )

    def _split(self, target: Target) -> str:
        plan, stratified = self.plan, classes_in(target.values) is not None
        return at_random_told(plan.validation, plan.test, plan.seed, stratified=stratified)

    def parts(self, target: Target) -> tuple[Array, Array, Array]:
        """Return the indices of the rows of the training, validation and test part.

        Raises:
            UserError: If there are too few rows, or too few of a class.
        """
        self._check_classes(target)
        plan, classes = self.plan, classes_in(target.values)
        return three_parts(plan.name, self.rows, plan.validation, plan.test, plan.seed, classes)

    def told(self, target: Target | None = None) -> tuple[str, ...]:
        """Return all notes on the table, its columns and its target, each with its column's name."""
        named = [
            f"column {column.name!r}: {note}"
            for column in self.columns
            if column.kind != "refused"
            for note in column.notes
        ]
        aimed = [] if target is None else [f"target {self.plan.target!r}: {note}" for note in target.notes]
        return (*self.notes, *named, *aimed)

    def _check_columns(self) -> None:
        refused = [column for column in self.columns if column.kind == "refused"]
        if refused:
            first = refused[0]
            more = f"; so is {', '.join(repr(c.name) for c in refused[1:])}" if len(refused) > 1 else ""
            raise UserError(f"data {self.plan.name!r}: column {first.name!r} {first.notes[0]}{more}")

    def _check_features(self) -> None:
        if not any(column.numbers or column.texts is not None for column in self.columns):
            left = ", ".join(column.name for column in self.columns)
            raise UserError(
                f"data {self.plan.name!r} has no column beside {self.plan.target!r} to learn from"
                + (f" ({left} left out)" if left else "")
            )

    def _check_classes(self, target: Target) -> None:
        """Raise if a class has too few samples to be in every part."""
        if not target.classes:
            return
        counts = np.bincount(target.values)
        least = 2 if self.plan.test == 0 else 3
        if len(counts) < 2:
            raise UserError(
                f"data {self.plan.name!r}: the {self.plan.target!r} is {target.classes[0]!r} in every row:"
                " nothing to learn"
            )
        if self.rows >= least * len(counts) and counts.min() < least:
            rare = [name for name, count in zip(target.classes, counts, strict=True) if count < least]
            raise UserError(
                f"data {self.plan.name!r}: of the {self.plan.target!r} {rare[0]!r} there is"
                f" {counts[target.classes.index(rare[0])]} row, and a class needs {least}, one for each part:"
                f" leave such rows out by missing={rare[:5]!r}, unlabelled='drop', or join classes"
            )


def tabular(table: Any, plan: Plan, notes: Sequence[str] = (), file: FileFormat | None = None) -> Tabular:
    """Return what the columns of a pandas DataFrame are understood as.

    Raises:
        UserError: If it has no rows, no column that ``plan`` names, or rows without a target.
    """
    table = table.rename(columns=str)
    name, reading = plan.name, plan.reading
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise UserError(f"data {name!r} has two columns of one name, {twice!r}")
    if reading.decimal not in (None, ".", ","):
        raise UserError(f"data {name!r}: decimal={reading.decimal!r} must be '.' or ','")
    if plan.unlabelled not in ("refuse", "drop"):
        raise UserError(f"data {name!r}: unlabelled={plan.unlabelled!r} must be 'refuse' or 'drop'")
    for given in ("drop", "numbers", "categories", "missing"):
        if isinstance(getattr(plan if given == "drop" else reading, given), str):
            raise UserError(f"data {name!r}: {given}= takes a list of texts")
    named = () if plan.target is None else (plan.target,)
    for column in (*named, *plan.drop, *reading.numbers, *reading.categories, *reading.dates):
        if column not in table.columns:
            raise UserError(f"data {name!r} has no column {column!r}: {nearest(column, table.columns)}")
    if len(table) == 0:
        raise UserError(f"data {name!r} has no rows")
    if plan.target is not None:
        lacking = without_target(table[plan.target], reading)
        if lacking.any() and plan.unlabelled == "refuse":
            raise UserError(_unlabelled(name, table[plan.target], lacking))
        if lacking.all():
            raise UserError(f"data {name!r} has no rows with a {plan.target!r}")
        if lacking.any():
            table = table[~lacking]
            notes = (*notes, f"rows without {plan.target!r} are left out: {lacking.sum()}")
    used = [column for column in table.columns if column != plan.target and column not in plan.drop]
    columns = tuple(understand(table[column], reading) for column in used)
    target = None if plan.target is None else table[plan.target]
    return Tabular(plan, columns, len(table), target, tuple(notes), table, file or FileFormat())


def _unlabelled(name: str, target: Any, lacking: Array) -> str:
    row, what = int(np.argmax(lacking)), str(target.name)
    value = target.iloc[row]
    marked = f" ({value.strip()!r} there)" if isinstance(value, str) and value.strip() else ""
    return (
        f"data {name!r}: row {row} (counted from 0) has no {what!r}{marked}, as"
        f" {lacking.sum()} of {len(lacking)} rows; unlabelled='drop' leaves such rows out"
    )
