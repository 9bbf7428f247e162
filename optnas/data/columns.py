"""Inference of a column's kind: number, date, yes or no, category, or nothing usable."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from optnas.data.cells import MARKS_AMONG_NUMBERS, plain_texts, quoted
from optnas.data.column import (
    Array,
    Column,
    Reading,
    amounts,
    category,
    date_column,
    number,
    refused,
    told_marks,
)
from optnas.data.date_texts import dates_by, dates_in, since_1970
from optnas.data.number_texts import either_way, example_of, numbers_in
from optnas.data.schemas.columns import DateColumn, NumberColumn, YesNoColumn

__all__ = ["understand"]

_YES = {"true": "false", "yes": "no", "t": "f", "y": "n", "on": "off"}
# A column of numbers or dates has them in nearly all rows.
_NEARLY_ALL = 0.9
# Numbers beside texts are categories if there are few, and each comes often.
_FEW, _OFTEN = 20, 5


def understand(series: Any, reading: Reading) -> Column:
    """Infer a pandas Series' kind and convert its values."""
    from pandas import PeriodDtype
    from pandas.api import types

    name = str(series.name)
    if name in reading.categories:
        return category(name, plain_texts(series), reading, chosen=True)
    if types.is_bool_dtype(series.dtype):
        answers = YesNoColumn(name=name, missing=reading.missing_texts())
        return number(series.astype("float64").to_numpy(), answers)
    if types.is_complex_dtype(series.dtype):
        return refused(name, "holds complex numbers; give their two parts as two columns, or leave it out")
    if types.is_numeric_dtype(series.dtype):
        values = series.astype("float64").to_numpy()
        return amounts(values, types.is_integer_dtype(series.dtype), reading, _plainly(name, reading))
    if isinstance(series.dtype, PeriodDtype):
        series = series.dt.to_timestamp()
    if types.is_timedelta64_dtype(series.dtype):
        lasting = dataclasses.replace(_plainly(name, reading), seconds=True)
        return number(series.dt.total_seconds().to_numpy(), lasting, "seconds")
    if types.is_datetime64_any_dtype(series.dtype):
        zoned = series.dt.tz is not None
        return date_column(
            since_1970(series), DateColumn(name=name, missing=reading.missing_texts(), zoned=zoned)
        )
    if types.is_object_dtype(series.dtype) or types.is_string_dtype(series.dtype):
        found = _plain_numbers(name, series.tolist(), reading)
        if found is not None:
            return found
    if types.infer_dtype(series) in ("date", "datetime"):
        import pandas

        zones = {cell.tzinfo is not None for cell in series.dropna() if hasattr(cell, "tzinfo")}
        either = None if len(zones) > 1 else True in zones
        moments = DateColumn(name=name, missing=reading.missing_texts(), zoned=either)
        return date_column(since_1970(pandas.to_datetime(series, utc=True)), moments)
    texts = plain_texts(series)
    if texts is None:
        return refused(
            name, f"of {series.dtype} holds neither numbers nor texts; convert it, or leave it out"
        )
    if series.dtype == "category":
        return category(name, texts, reading, declared=True)
    return _understand_texts(name, texts, reading)


def _plain_numbers(name: str, texts: list[Any], reading: Reading) -> Column | None:
    """Return a column of numbers as Python writes them, without gaps; ``None`` if it needs a closer look."""
    if reading.missing or reading.decimal == "," or name in reading.dates:
        return None
    if set(map(type, texts)) != {str}:
        return None
    try:
        values = np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        return None
    together = "".join(texts)
    if not np.isfinite(values).all() or "_" in together or not together.isascii():
        return None
    whole = "." not in together and "e" not in together.lower()
    if whole:
        texts = [text.strip() for text in texts]
        if any(len(text) > 1 and text[0] == "0" for text in texts) or _are_days(texts):
            return None
    return amounts(values, whole, reading, _plainly(name, reading))


def _plainly(name: str, reading: Reading) -> NumberColumn:
    """Return how numbers are read that need no closer look."""
    return NumberColumn(name=name, missing=reading.missing_texts(), decimal=reading.decimal or ".")


def _are_days(texts: Sequence[str]) -> bool:
    """Return whether all texts are days of the 20th or 21st century, written as 20240131."""
    if not all(len(text) == 8 and text[:2] in ("19", "20") for text in texts):
        return False
    days = dates_by(list(dict.fromkeys(texts)), "%Y%m%d")
    return bool(np.isfinite(days.seconds).all())


@dataclasses.dataclass(frozen=True, eq=False)
class _Distinct:
    """The different texts of a column that mean a value.

    Attributes:
        texts: The texts.
        counts: How many rows have each.
        notes: What was taken as missing.
        codes: The index of each row's text among all, marks included.
        is_mark: Which of all texts mean a missing value.
    """

    texts: list[str]
    counts: Array
    notes: tuple[str, ...]
    codes: Array
    is_mark: Array

    @classmethod
    def of(cls, texts: list[str], marks: set[str]) -> _Distinct:
        import pandas

        codes, found = pandas.factorize(np.asarray(texts, dtype=object))
        distinct = [str(text) for text in found]
        counts = np.bincount(codes, minlength=len(distinct))
        is_mark = np.array([text.lower() in marks for text in distinct], dtype=bool)
        present = [text for text, mark in zip(distinct, is_mark, strict=True) if not mark]
        return cls(present, counts[~is_mark], told_marks(distinct, is_mark, counts), codes, is_mark)

    def of_rows(self, values: Array) -> Array:
        """Return the value of each row, given that of each text; NaN where it is missing."""
        every = np.full(len(self.is_mark), np.nan)
        every[~self.is_mark] = values
        return every[self.codes]

    def share(self, good: Array) -> float:
        """Return the share of the rows with a value whose text is ``good``."""
        return float(self.counts[good].sum() / self.counts.sum())

    def without(self, good: Array) -> list[str]:
        """Return the texts that are not ``good``."""
        return [text for text, fits in zip(self.texts, good, strict=True) if not fits]


def _understand_texts(name: str, texts: list[str], reading: Reading) -> Column:
    found = _Distinct.of(texts, reading.marks(MARKS_AMONG_NUMBERS))
    if not found.texts:
        return category(name, texts, reading)
    low = {text.lower() for text in found.texts}
    if len(low) == 2 and any({yes, no} == low for yes, no in _YES.items()):
        answers = np.array([text.lower() in _YES for text in found.texts], dtype=float)
        no, yes = sorted(low, key=lambda text: text in _YES)
        how = YesNoColumn(name=name, missing=reading.missing_texts(), yes=yes, no=no)
        return number(found.of_rows(answers), how, "", found.notes)
    if name in reading.dates:
        return _dates_as_told(name, found, reading)
    read = numbers_in(found.texts, reading.decimal)
    good = ~np.isnan(read.values)
    others = found.without(good)
    share = found.share(good)
    if name in reading.numbers or (share >= _NEARLY_ALL and not any(map(_has_digit, others))):
        if name not in reading.numbers and read.whole and good.all():
            if _are_days(found.texts):
                days = dates_by(found.texts, "%Y%m%d").seconds
                return date_column(found.of_rows(days), _by(name, "%Y%m%d", reading), "%Y%m%d", found.notes)
            if any(re.fullmatch("0[0-9]+", text) for text in found.texts):
                return category(name, texts, reading, what="codes with leading zeros")
        return _numbers(name, found, reading)
    if share < 0.5 and (dated := _dates(name, found, reading)) is not None:
        return dated
    often = len(found.texts) <= _FEW and len(found.texts) * _OFTEN <= found.counts.sum()
    if share > 0 and not often:
        return refused(
            name,
            f"holds numbers, but {quoted(others)} in {found.counts[~good].sum()} of {len(texts)} rows; say"
            f" missing=[...] with the texts that mean a missing value, numbers=[{name!r}] to take all of them"
            " so, or leave it out",
        )
    return category(name, texts, reading)


def _numbers(name: str, found: _Distinct, reading: Reading) -> Column:
    """Return a column of nearly all numbers; refuse it if its commas may be either mark."""
    read, notes, detail = numbers_in(found.texts, reading.decimal), found.notes, []
    if (either := either_way(found.texts, read, reading.decimal)) is not None:
        return refused(name, f"{either}: say decimal='.' or decimal=','")
    if others := found.without(~np.isnan(read.values)):
        notes = (*notes, f"{quoted(others)}: no number, taken as missing")
    if read.unit:
        detail.append(f"in {read.unit}")
    mark = read.decimal or reading.decimal
    if mark == "," and any("," in text for text in found.texts):
        detail.append("decimal comma")
    if (example := example_of(found.texts, read, reading.decimal)) is not None:
        notes = (*notes, example)
    how = NumberColumn(
        name=name,
        missing=reading.missing_texts(() if name in reading.numbers else others),
        decimal=mark or ".",
        unit=read.unit,
        others_missing=name in reading.numbers,
    )
    return amounts(found.of_rows(read.values), read.whole, reading, how, ", ".join(detail), notes)


def _by(name: str, form: str, reading: Reading) -> DateColumn:
    """Return how dates are read whose whole text is of the format ``form``."""
    zoned = "%z" in form or "%Z" in form
    return DateColumn(name=name, missing=reading.missing_texts(), format=form, clock=False, zoned=zoned)


def _dates_as_told(name: str, found: _Distinct, reading: Reading) -> Column:
    form = reading.dates[name]
    try:
        read = dates_by(found.texts, form)
    except ValueError as error:
        return refused(name, f"cannot be read as {form!r} in dates= says: {error}")
    if wrong := found.without(np.isfinite(read.seconds)):
        return refused(name, f"holds {quoted(wrong)}, not {form!r} as dates= says")
    return date_column(found.of_rows(read.seconds), _by(name, form, reading), form, found.notes)


def _dates(name: str, found: _Distinct, reading: Reading) -> Column | None:
    """Return a column of dates, or why it is refused; ``None`` if most of it is none."""
    read = dates_in(found.texts)
    if read is None or found.share(np.isfinite(read.seconds)) < 0.5:
        return None
    notes, good = found.notes, np.isfinite(read.seconds)
    others = found.without(good)
    if found.share(good) < _NEARLY_ALL or any(map(_has_digit, others)):
        return refused(name, f"holds dates, but also {quoted(others)}; mend them, or leave it out")
    if read.others:
        ways = " or ".join(f"dates={{{name!r}: {form!r}}}" for form in (read.format, *read.others))
        return refused(name, f"holds dates such as {found.texts[0]!r}, day or month first: say {ways}")
    if others:
        notes = (*notes, f"{quoted(others)}: no date, taken as missing")
    how = DateColumn(name=name, missing=reading.missing_texts(others), format=read.format, zoned=read.zoned)
    return date_column(found.of_rows(read.seconds), how, read.format, notes, zoned=read.zoned)


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)
