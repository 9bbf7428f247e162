"""Data sets from pandas DataFrames and CSV files, with columns of numbers, dates and texts."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from optnas.data.arrays import Kind
from optnas.data.column import Reading
from optnas.data.csv_pieces import FileFormat
from optnas.data.csv_texts import read_texts
from optnas.data.data import Data, Splits
from optnas.data.number_texts import Decimal, numbers_in
from optnas.data.tabular import Plan, Tabular, tabular

__all__ = ["csv", "csv_table", "frame"]

# Different texts of a column that tell its decimal mark.
_ENOUGH_TEXTS = 1000


def csv(
    path: str | os.PathLike[str],
    target: str,
    *,
    targets: Kind = "auto",
    drop: Sequence[str] = (),
    numbers: Sequence[str] = (),
    categories: Sequence[str] = (),
    dates: Mapping[str, str] | None = None,
    missing: Sequence[str] = (),
    unlabelled: Literal["refuse", "drop"] = "refuse",
    separator: str | None = None,
    decimal: Decimal | None = None,
    encoding: str | None = None,
    names: Sequence[str] | None = None,
    validation: float = 0.2,
    test: float = 0.2,
    seed: int = 0,
) -> Data:
    """Make a data set from a CSV file with a header line, plain or compressed (``.csv.gz``).

    Columns become features as :func:`frame` says, which explains the other arguments. ``optnas data
    FILE --target COLUMN`` shows what each column is understood as.

    Args:
        path: Path of the file.
        target: The column to predict.
        separator: The text between columns; by default a comma, semicolon, tab or ``|``, whichever
            divides the lines evenly.
        encoding: Its encoding; by default what its first bytes say, UTF-8, or else cp1252.
        names: The names of its columns, if the first line is no header.

    Raises:
        UserError: On first use of the data, if the file or a column cannot be used.
    """
    path = Path(path)
    plan = Plan(
        path.name, target, drop, unlabelled, validation, test, seed,
        Reading(numbers, categories, dict(dates or {}), missing, decimal),
    )  # fmt: skip
    read = partial(csv_table, path, plan, separator=separator, encoding=encoding, names=names)
    return _data(path.name, read, targets)


def csv_table(
    path: Path,
    plan: Plan,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    names: Sequence[str] | None = None,
) -> Tabular:
    """Return what the columns of a CSV file are understood as.

    Raises:
        UserError: If the file cannot be read, or has no column that ``plan`` names.
    """
    import pandas

    texts = read_texts(path, plan.target, separator=separator, encoding=encoding, names=names)
    if plan.reading.decimal is None:
        usual: Decimal | None = "." if texts.separator == "," else None
        decimal = _shown_decimal(texts.columns) or usual
        plan = dataclasses.replace(plan, reading=dataclasses.replace(plan.reading, decimal=decimal))
    columns = {
        name: pandas.Series(column, dtype=object)
        for name, column in zip(texts.names, texts.columns, strict=True)
    }
    named = None if names is None else tuple(map(str, names))
    file = FileFormat(texts.separator, encoding, named, plan.target or "")
    return dataclasses.replace(tabular(pandas.DataFrame(columns), plan, texts.notes, file), path=path)


def _shown_decimal(columns: Sequence[Sequence[str]]) -> Decimal | None:
    """Return ``","`` if the numbers of a column can only have that decimal mark; else ``None``."""
    for column in columns:
        if any("," in text for text in column[:_ENOUGH_TEXTS]):
            texts = [text.strip() for text in dict.fromkeys(column[:_ENOUGH_TEXTS]) if text.strip()]
            if numbers_in(texts).decimal == ",":
                return ","
    return None


def frame(
    table: Any,
    target: str,
    *,
    targets: Kind = "auto",
    drop: Sequence[str] = (),
    numbers: Sequence[str] = (),
    categories: Sequence[str] = (),
    dates: Mapping[str, str] | None = None,
    missing: Sequence[str] = (),
    unlabelled: Literal["refuse", "drop"] = "refuse",
    decimal: Decimal | None = None,
    validation: float = 0.2,
    test: float = 0.2,
    seed: int = 0,
    name: str = "frame",
) -> Data:
    """Make a data set from a pandas DataFrame, one sample per row.

    - A column of numbers becomes one feature of mean 0 and variance 1. So does one of texts that are
      nearly all numbers, with a decimal comma, thousands, a unit; the others are missing values. If a
      column has missing values, they are filled with its mean, and a second feature marks them.
    - A column of dates becomes its time, and sine and cosine of its place in the year, week and day.
    - A column of yes and no, or true and false, becomes one feature.
    - A column of other texts is one-hot encoded: a feature for each text, with a missing value as one
      more text; a text that is not in the training part is 0 in all of them.
    - A column of one value, and one of identifiers that count or number the rows, is left out.
    - A column that is none of that, such as one whose texts are nearly all distinct, is refused.

    All statistics are those of the training part. How each column is read is kept with a trained network,
    which then reads every new row by it: a text where a number was is refused, a missing value where none was
    is filled with the mean, and columns that it does not know are ignored. Every guess that may be wrong is
    told as a warning, and is in the notes of the splits.

    Args:
        table: The DataFrame.
        target: The column to predict.
        targets: ``"classes"`` or ``"values"``; ``"auto"`` is as the task needs. Classes may be any
            texts or numbers; they are numbered in sorted order.
        drop: Columns to leave out.
        numbers: Columns to take as numbers, whatever else they hold, which is then missing.
        categories: Columns to take as categories, even of numbers, codes or very many texts.
        dates: The format of columns of dates, such as ``{"sold": "%d/%m/%Y"}``.
        missing: Texts that mean a missing value, such as ``["-999"]``, besides the usual ones (``?``,
            ``NA``, ``n/a``, ``null``, …). In a target of texts only those given here do.
        unlabelled: ``"drop"`` leaves rows out that have no target.
        decimal: The decimal mark of numbers in texts; by default as the column shows.
        validation: Share of the samples held out to score candidates.
        test: Share of the samples held out for the winner.
        seed: Seed of the split.
        name: Its name in records.

    Raises:
        UserError: On first use of the data, if a column cannot be used.
    """
    plan = Plan(
        name, target, drop, unlabelled, validation, test, seed,
        Reading(numbers, categories, dict(dates or {}), missing, decimal),
    )  # fmt: skip
    return _data(name, lambda: tabular(table, plan), targets)


def _data(name: str, read: Callable[[], Tabular], targets: Kind) -> Data:
    def load() -> Splits:
        table = read()
        return table.splits(table.aim(targets))

    def load_as(kind: Kind) -> Splits:
        table = read()
        return table.splits(table.aim(kind, by_task=True))

    return Data(name, load, load_as=load_as if targets == "auto" else None)
