"""A table whose columns are understood, and the features that they become."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from optnas.data.arrays import Kind, classes_in
from optnas.data.column import Column, Reading, quoted
from optnas.data.columns import understand
from optnas.data.data import Splits
from optnas.data.numbers import MOST, Array
from optnas.data.split import splits_of, three_parts
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
    """

    plan: Plan
    columns: tuple[Column, ...]
    rows: int
    target: Any
    notes: tuple[str, ...]

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
        features, unseen = _features(self.plan.name, self.columns, parts[0])
        split = splits_of(torch.from_numpy(features).float(), target.values, parts)
        return dataclasses.replace(split, notes=(*self.told(target), *unseen))

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


def tabular(table: Any, plan: Plan, notes: Sequence[str] = ()) -> Tabular:
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
    return Tabular(plan, columns, len(table), target, tuple(notes))


def _unlabelled(name: str, target: Any, lacking: Array) -> str:
    row, what = int(np.argmax(lacking)), str(target.name)
    value = target.iloc[row]
    marked = f" ({value.strip()!r} there)" if isinstance(value, str) and value.strip() else ""
    return (
        f"data {name!r}: row {row} (counted from 0) has no {what!r}{marked}, as"
        f" {lacking.sum()} of {len(lacking)} rows; unlabelled='drop' leaves such rows out"
    )


def _features(name: str, columns: Sequence[Column], train: Array) -> tuple[Array, tuple[str, ...]]:
    """Return the features of all rows, shape (rows, features), and notes on what training does not have."""
    import pandas
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = {key: _scaled(values, train) for column in columns for key, values in column.numbers.items()}
    # The place of a date in the year and the week is missing where the date is, which is marked once.
    first = [next(iter(column.numbers)) for column in columns if column.numbers]
    others = [key for key in numbers if key not in first]
    texts = {column.name: column.texts for column in columns if column.texts is not None}
    keys = {key: f"number {i}" for i, key in enumerate(numbers)}
    table = pandas.DataFrame(
        {keys[key]: values for key, values in numbers.items()}
        | {f"text {name}": t for name, t in texts.items()}
    )
    # Gaps in the training part decide which columns are marked; a column that is empty there is all 0.
    fill = SimpleImputer(keep_empty_features=True, add_indicator=True)
    transform = make_column_transformer(
        (make_pipeline(fill, StandardScaler()), [keys[key] for key in first]),
        (
            make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()),
            [keys[key] for key in others],
        ),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), [f"text {name}" for name in texts]),
    )
    features: Array = transform.fit(table.iloc[train]).transform(table)
    _check_range(name, first, numbers, features)
    return features, tuple(_unseen(texts, train))


def _scaled(values: Array, train: Array) -> Array:
    """Return values divided by a power of two, so that the squares of the largest are finite.

    No figure changes by it but its exponent, and standardising takes that off.
    """
    known = np.abs(values[train][~np.isnan(values[train])])
    top = known.max(initial=0)
    return values if top == 0 else np.ldexp(values, -int(np.frexp(top)[1]))


def _check_range(name: str, first: Sequence[str], numbers: dict[str, Array], features: Array) -> None:
    far = ~(np.abs(features) <= MOST)
    if far.any():
        row, column = (int(place[0]) for place in np.nonzero(far))
        what = first[column] if column < len(first) else next(iter(numbers))
        raise UserError(
            f"data {name!r}: column {what!r} in row {row} (counted from 0) is too far from all that the"
            f" training part has; mend it, say missing=[...] with its text, or say drop=[{what!r}]"
        )


def _unseen(texts: dict[str, Array], train: Array) -> Sequence[str]:
    notes = []
    for name, column in texts.items():
        new = sorted(set(column) - set(column[train]))
        if new:
            rows = int(np.isin(column, new).sum())
            notes.append(
                f"column {name!r}: {quoted(new)}, in {rows} rows, not in the training part and so 0 in all"
                " features"
            )
    return notes
