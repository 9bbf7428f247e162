"""The kinds of columns of a table: numbers, yes and no, dates, categories."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from decimal import Decimal
from functools import cached_property
from numbers import Number
from typing import Any, Literal, Self

import numpy as np

from optnas.data.cells import plain_texts
from optnas.data.date_texts import PERIODS, Dates, dates_by, dates_with_clock, since_1970, zone_in
from optnas.data.number_texts import numbers_by, numbers_in
from optnas.data.numbers import Array
from optnas.data.schemas.column import (
    ColumnSchema,
    Measured,
    as_text,
    as_texts,
    measured_of,
    refuse_cell,
    shown,
)
from optnas.data.schemas.schema import Record

__all__ = ["CategoryColumn", "DateColumn", "NumberColumn", "YesNoColumn"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class NumberColumn(Measured):
    """A column of numbers, or of texts that are read as such.

    Attributes:
        decimal: The decimal mark in texts.
        unit: What stands beside every number in texts, such as ``%`` or ``$``; empty if nothing does.
        others_missing: Whether texts that are no number mean a missing value, as whoever made the data said.
        seconds: Whether it is of durations, which are read in seconds.
    """

    kind = "number"

    decimal: Literal[".", ","] = "."
    unit: str = ""
    others_missing: bool = False
    seconds: bool = False

    def record(self) -> dict[str, Any]:
        return {
            "decimal": self.decimal,
            "unit": self.unit,
            "others_missing": self.others_missing,
            "seconds": self.seconds,
            **super().record(),
        }

    @classmethod
    def of(cls, name: str, record: Record) -> Self:
        decimal, others, seconds = record["decimal"], record["others_missing"], record["seconds"]
        if decimal not in (".", ","):
            raise ValueError(f"{decimal!r:.50} is no decimal mark")
        return cls(
            name=name,
            decimal=decimal,
            unit=as_text(record["unit"]),
            others_missing=_answer(others),
            seconds=_answer(seconds),
            **measured_of(record, 1),
        )

    def _plain(self, series: Any, where: Callable[[int], str]) -> Array | None:
        from pandas.api import types

        if types.is_timedelta64_dtype(series.dtype) and self.seconds:
            return np.asarray(series.dt.total_seconds(), dtype=np.float64)
        if types.is_numeric_dtype(series.dtype) and not types.is_complex_dtype(series.dtype):
            return np.asarray(series.astype("float64").to_numpy())
        if self.decimal == "," or self.unit:
            return None
        cells = series.tolist()
        if set(map(type, cells)) != {str}:
            return None
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            return None
        together = "".join(cells)
        # Python reads more as numbers than is meant: nan, 1_000, digits of other scripts.
        if not np.isfinite(values).all() or "_" in together or not together.isascii():
            return None
        # What means a missing value may be written in another way than the number is.
        return None if any(map(self._is_mark, map(str.strip, cells))) else values

    def _values(self, cells: list[Any]) -> tuple[Array, dict[int, str]]:
        values, reasons = np.full(len(cells), np.nan), {}
        places = [i for i, cell in enumerate(cells) if isinstance(cell, str)]
        texts = [cells[i].strip() for i in places]
        if places:
            values[places] = numbers_by(texts, self.decimal, self.unit)
        for i, text in zip(places, texts, strict=True):
            if self._is_mark(text):
                values[i] = np.nan
            elif np.isnan(values[i]) and not self.others_missing:
                reasons[i] = f"no number{self._written}"
        for i, cell in enumerate(cells):
            if isinstance(cell, str):
                continue
            if isinstance(cell, datetime.timedelta) and self.seconds:
                values[i] = cell.total_seconds()
            elif isinstance(cell, Number | Decimal | np.bool_) and not isinstance(cell, complex):
                try:
                    values[i] = float(cell)  # type: ignore[arg-type]
                except OverflowError:
                    values[i] = np.inf
            else:
                reasons[i] = "no number"
        return values, reasons

    def _finished(self, values: Array) -> Array:
        return np.where(np.isin(values, self._missing_numbers), np.nan, values)

    @cached_property
    def _missing_numbers(self) -> Array:
        found = numbers_in(self.missing).values
        known: Array = found[~np.isnan(found)]
        return known

    @property
    def _written(self) -> str:
        ways = ["as in 1,5"] if self.decimal == "," else []
        ways += [f"in {self.unit}"] if self.unit else []
        return f" ({' and '.join(ways)})" if ways else ""

    def told(self) -> str:
        what = "durations, or seconds" if self.seconds else "numbers"
        return f"{what}{f', as texts{self._written}' if self._written else ''}{self._told_gap()}"

    def example(self) -> Any:
        return float(f"{np.ldexp(self.figures[0].fill, self.exponent):.4g}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class YesNoColumn(Measured):
    """A column of yes and no, or true and false: 1 and 0.

    Attributes:
        yes: The word for yes, in lower case.
        no: The word for no.
    """

    kind = "yes or no"

    yes: str = "true"
    no: str = "false"

    def record(self) -> dict[str, Any]:
        return {"yes": self.yes, "no": self.no, **super().record()}

    @classmethod
    def of(cls, name: str, record: Record) -> Self:
        yes, no = as_text(record["yes"]), as_text(record["no"])
        return cls(name=name, yes=yes, no=no, **measured_of(record, 1))

    def _plain(self, series: Any, where: Callable[[int], str]) -> Array | None:
        from pandas.api import types

        if not types.is_bool_dtype(series.dtype) or series.dtype == object:
            return None
        return np.asarray(series.astype("float64").to_numpy())

    def _values(self, cells: list[Any]) -> tuple[Array, dict[int, str]]:
        values, reasons = np.full(len(cells), np.nan), {}
        for i, cell in enumerate(cells):
            word = cell.strip().lower() if isinstance(cell, str) else cell
            if isinstance(word, str) and word in (self.yes, self.no, "true", "false"):
                values[i] = word in (self.yes, "true")
            elif isinstance(word, str) and self._is_mark(word):
                continue
            elif isinstance(word, Number | np.bool_) and word in (0, 1):
                values[i] = float(word)
            else:
                reasons[i] = f"neither {self.yes!r} nor {self.no!r}"
        return values, reasons

    def told(self) -> str:
        return f"{self.yes!r} or {self.no!r}{self._told_gap()}"

    def example(self) -> Any:
        return self.yes


@dataclasses.dataclass(frozen=True, kw_only=True)
class DateColumn(Measured):
    """A column of dates: seconds since 1970, and places in the year, the week and the day.

    Attributes:
        format: The format of texts, as in ``strftime``.
        clock: Whether a time of the day may follow what ``format`` says.
        zoned: Whether times have a zone and so are instants; ``None`` if some had one and some had none.
        places: The periods whose places are features, among :data:`PERIODS`.
    """

    kind = "date"

    format: str = "%Y-%m-%d"
    clock: bool = True
    zoned: bool | None = False
    places: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        return {
            "format": self.format,
            "clock": self.clock,
            "zoned": self.zoned,
            "places": list(self.places),
            **super().record(),
        }

    @classmethod
    def of(cls, name: str, record: Record) -> Self:
        form, zoned, places = as_text(record["format"]), record["zoned"], as_texts(record["places"])
        if not set(places) <= PERIODS.keys():
            raise ValueError(f"there are no places of dates in {shown(places)}")
        found = cls(
            name=name,
            format=form,
            clock=_answer(record["clock"]),
            zoned=None if zoned is None else _answer(zoned),
            places=places,
            **measured_of(record, 1 + 2 * len(places)),
        )
        found._dates(["1"])  # raises if it is no format
        return found

    def _dates(self, texts: list[str]) -> Dates:
        return dates_with_clock(texts, self.format) if self.clock else dates_by(texts, self.format)

    def _plain(self, series: Any, where: Callable[[int], str]) -> Array | None:
        from pandas import PeriodDtype
        from pandas.api import types

        if isinstance(series.dtype, PeriodDtype):
            series = series.dt.to_timestamp()
        if not types.is_datetime64_any_dtype(series.dtype):
            return None
        if (wrong := self._wrong_zone(series.dt.tz is not None)) and len(series):
            refuse_cell(self.name, where(0), series.iloc[0], wrong)
        return since_1970(series)

    def _wrong_zone(self, zoned: bool) -> str:
        """Return why a time with or without a zone does not fit, if it does not."""
        if self.zoned is None or zoned == self.zoned:
            return ""
        return (
            "a time without a zone, and in training all had one"
            if self.zoned
            else "a time with a zone, and in training none had one"
        )

    def _values(self, cells: list[Any]) -> tuple[Array, dict[int, str]]:
        import pandas

        values, reasons = np.full(len(cells), np.nan), {}
        written = [
            i for i, cell in enumerate(cells) if isinstance(cell, str | int) and not isinstance(cell, bool)
        ]
        texts = [str(cells[i]).strip() for i in written]
        if texts:
            values[written] = self._dates(texts).seconds
        for i, text in zip(written, texts, strict=True):
            if self._is_mark(text):
                values[i] = np.nan
            elif np.isnan(values[i]):
                reasons[i] = f"no date as {self._written}"
            elif self.clock and (zoned := zone_in(text)) is not None and (wrong := self._wrong_zone(zoned)):
                reasons[i] = wrong
        moments = [i for i, cell in enumerate(cells) if isinstance(cell, datetime.date | np.datetime64)]
        if moments:
            found = pandas.Series([cells[i] for i in moments], dtype=object)
            values[moments] = since_1970(pandas.to_datetime(found, utc=True))
        for i in set(range(len(cells))) - set(written):
            cell = cells[i]
            if not isinstance(cell, datetime.date | np.datetime64):
                reasons[i] = f"no date as {self._written}"
                continue
            zoned = isinstance(cell, datetime.datetime) and cell.tzinfo is not None
            if isinstance(cell, datetime.datetime) and (wrong := self._wrong_zone(zoned)):
                reasons[i] = wrong
        return values, reasons

    @property
    def _written(self) -> str:
        time = "" if not self.clock else ", which a time may follow"
        return f"{self.format!r} says{time}"

    def told(self) -> str:
        time = (", times with a zone" if self.zoned else ", times may follow") if self.clock else ""
        return f"dates ({self.format}{time}){self._told_gap()}"

    def example(self) -> Any:
        middle = float(np.ldexp(self.figures[0].fill, self.exponent))
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=round(middle))
        if not self.clock:
            return moment.replace(tzinfo=datetime.UTC if self.zoned else None).strftime(self.format)
        return moment.strftime(self.format) + (f"{moment:T%H:%M:%S}Z" if self.zoned else "")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CategoryColumn(ColumnSchema):
    """A column of categories, a feature each that is 1 or 0; of one that is not among them all are 0.

    Attributes:
        missing: Texts, in lower case, that mean a missing value, which is the category ``""``.
        categories: Those of the training part, in sorted order.
    """

    kind = "category"

    missing: tuple[str, ...] = ("",)
    categories: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        return {"missing": list(self.missing), "categories": list(self.categories)}

    @classmethod
    def of(cls, name: str, record: Record) -> Self:
        found = as_texts(record["categories"])
        if not found:
            raise ValueError("a column of categories has none")
        return cls(name=name, missing=as_texts(record["missing"]), categories=found)

    @property
    def features(self) -> int:
        return len(self.categories)

    def read(self, series: Any, where: Callable[[int], str]) -> Array:
        """Return the text of each cell, empty where it is missing, an array of objects.

        Raises:
            UserError: If a cell is neither a text nor a number.
        """
        import pandas

        texts = plain_texts(series)
        if texts is None:
            for place, cell in enumerate(series):
                if plain_texts(pandas.Series([cell], dtype=object)) is None:
                    refuse_cell(self.name, where(place), cell, "neither a text nor a number")
        codes, found = pandas.factorize(np.asarray(texts, dtype=object))
        marks = frozenset(self.missing)
        distinct = np.array(["" if text.lower() in marks else text for text in found], dtype=object)
        of_row: Array = distinct[codes]
        return of_row

    def codes(self, texts: Array, cells: Any) -> Array:
        """Return the place of each text among the categories, int64, -1 where it is none of them.

        Args:
            texts: Of :meth:`read`.
            cells: The column itself: 1 and 1.0 are one category where it holds numbers.
        """
        import pandas

        found, distinct = pandas.factorize(texts)
        places = pandas.Index(self.categories, dtype=object).get_indexer(pandas.Index(distinct, dtype=object))
        codes: Array = places.astype(np.int64)[found]
        if (codes < 0).any():
            known = {category: place for place, category in enumerate(self.categories)}
            for row in np.flatnonzero(codes < 0).tolist():
                cell = cells.iloc[row]
                if isinstance(cell, int | float | np.number) and not isinstance(cell, bool):
                    other = str(int(cell)) if float(cell).is_integer() else ""
                    codes[row] = known.get(other, known.get(str(float(cell)), -1)) if other else -1
        return codes

    def told(self) -> str:
        gap = "; may be missing" if "" in self.categories else ""
        present = [category for category in self.categories if category]
        return f"one of {len(present):,} categories ({shown(present)}){gap}"

    def example(self) -> Any:
        return next((category for category in self.categories if category), "")


def _answer(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.50} is neither true nor false")
    return value
