"""The column to predict: classes or values, and the rows that have neither."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from optnas.data.arrays import Kind, as_targets
from optnas.data.cells import MARKS, plain_texts, quoted
from optnas.data.column import Reading, alike
from optnas.data.number_texts import either_way, example_of, numbers_in
from optnas.data.numbers import Array
from optnas.errors import UserError

__all__ = ["Target", "target_of", "without_target"]

# More different whole numbers in a target are more likely amounts than classes.
_MOST_CLASSES = 100


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """The column to predict.

    Attributes:
        values: Class numbers of int64 or values of float32, shape (rows,).
        classes: The name of each class in the order of their numbers; empty for values.
        detail: What the values are, in a few words.
        notes: Guesses that a reader may want to overrule.
    """

    values: Array
    classes: tuple[str, ...] = ()
    detail: str = ""
    notes: tuple[str, ...] = ()


def without_target(series: Any, reading: Reading) -> Array:
    """Return which rows have no target, shape (rows,); of the usual texts for that only among numbers."""
    texts = plain_texts(series)
    if texts is None:
        return np.asarray(series.isna())
    marks = reading.marks(MARKS if _holds_numbers(texts) else [""])
    known = {text: text.lower() in marks for text in set(texts)}
    return np.array([known[text] for text in texts], dtype=bool)


def _holds_numbers(texts: Sequence[str]) -> bool:
    """Return whether most of the different texts that are no mark for a missing value are numbers."""
    present = [text for text in dict.fromkeys(texts) if text.lower() not in MARKS]
    return bool(present) and float(np.mean(~np.isnan(numbers_in(present).values))) > 0.5


def target_of(name: str, series: Any, wanted: Kind, reading: Reading, *, by_task: bool = False) -> Target:
    """Return a target column without missing values as classes or values.

    Args:
        name: Name of the data, for error messages.
        series: The pandas Series.
        wanted: Classes or values; ``"auto"`` takes numbers that are not whole for values.
        reading: How to read the columns.
        by_task: Whether a task asks for that, and not whoever made the data: then what can hardly be
            classes is refused.

    Raises:
        UserError: If it cannot be that.
    """
    if wanted not in ("auto", "classes", "values"):
        raise UserError(f"data {name!r}: targets={wanted!r} must be 'classes', 'values' or 'auto'")
    from pandas.api import types

    what = str(series.name)
    if types.is_numeric_dtype(series.dtype) or types.is_bool_dtype(series.dtype):
        numbers = np.asarray(series.to_numpy(dtype="float64" if series.dtype.kind != "b" else bool))
        if types.is_integer_dtype(series.dtype):
            numbers = series.to_numpy()
        whole = types.is_integer_dtype(series.dtype) or types.is_bool_dtype(series.dtype)
        return _of_numbers(name, what, numbers, wanted, whole=whole, by_task=by_task)
    texts = plain_texts(series)
    if texts is None:
        raise UserError(
            f"data {name!r}: {what!r} of {series.dtype} holds neither numbers nor texts; convert it"
        )
    distinct = list(dict.fromkeys(texts))
    read = numbers_in(distinct, reading.decimal)
    wrong = [text for text, value in zip(distinct, read.values, strict=True) if np.isnan(value)]
    codes = any(re.fullmatch("0[0-9]+", text) for text in distinct)
    if wanted == "values" and wrong:
        row = texts.index(wrong[0])
        raise UserError(
            f"data {name!r}: {what!r} is to be values, but holds {quoted(wrong)}, which is no number, in row"
            f" {row} (counted from 0); say missing=[...] if it means a missing one, or use classification"
        )
    if wrong or (codes and wanted != "values"):
        return _of_texts(texts)
    if (either := either_way(distinct, read, reading.decimal)) is not None:
        raise UserError(f"data {name!r}: {what!r} {either}; say decimal='.' or decimal=','")
    example = example_of(distinct, read, reading.decimal)
    notes = () if example is None else (example,)
    value_of = dict(zip(distinct, read.values, strict=True))
    numbers = np.array([value_of[text] for text in texts])
    return _of_numbers(name, what, numbers, wanted, whole=read.whole, by_task=by_task, notes=notes)


def _of_numbers(
    name: str,
    what: str,
    numbers: Array,
    wanted: Literal["auto", "classes", "values"],
    *,
    whole: bool,
    by_task: bool,
    notes: tuple[str, ...] = (),
) -> Target:
    if wanted == "values" or (wanted == "auto" and not whole):
        values = as_targets(name, numbers, len(numbers), "values")
        return Target(values, detail=f"from {numbers.min():.6g} to {numbers.max():.6g}", notes=notes)
    if not np.isfinite(numbers).all():
        return Target(as_targets(name, numbers, len(numbers), "values"))  # which refuses them
    found, labels = np.unique(numbers, return_inverse=True)
    if wanted == "auto" or by_task:
        fix = "tasks.regression learns values; say targets='values' if they are amounts, or targets='classes'"
        if (found != np.floor(found)).any():
            raise UserError(
                f"data {name!r}: {what!r} holds numbers such as {found[found != np.floor(found)][0]:g}: {fix}"
            )
        if len(found) > _MOST_CLASSES:
            raise UserError(f"data {name!r}: {what!r} holds {len(found)} different whole numbers: {fix}")
    labels = as_targets(name, labels, len(numbers), "classes")
    named = tuple(f"{number:.15g}" if numbers.dtype.kind == "f" else str(number) for number in found)
    return Target(labels, named, quoted(named), notes)


def _of_texts(texts: Sequence[str]) -> Target:
    found, labels = np.unique(np.asarray(texts, dtype=object).astype(str), return_inverse=True)
    classes = tuple(str(text) for text in found)
    notes = alike(classes)
    for i, text in enumerate(classes):
        if text.lower() in MARKS:
            count = int((labels == i).sum())
            notes = (
                *notes,
                f"{text!r} ({count} times) is a class; missing=[{text!r}] takes it for a missing value",
            )
    return Target(labels.astype(np.int64), classes, quoted(classes), notes)
