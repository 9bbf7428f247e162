"""Readers of the cells of one column of a table: the base class, and checks of its record."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NoReturn, Self

import numpy as np

from optnas.data.numbers import Array
from optnas.data.schemas.json_numbers import as_number
from optnas.data.schemas.recorded import Record, Recorded
from optnas.errors import UserError

__all__ = [
    "MOST_TEXTS",
    "ColumnSchema",
    "Figures",
    "LeftOut",
    "Measured",
    "as_text",
    "as_texts",
    "column_of",
    "column_record",
    "distinct_cells",
    "measured_of",
    "refuse_cell",
    "shown",
]

MOST_TEXTS = 1_000_000
"""The most columns, categories of all columns, and marks of one column that a table has."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ColumnSchema(Recorded):
    """Reader of the cells of one column of a table, as decided from the whole column in training.

    Attributes:
        name: The column's name.
    """

    name: str

    @classmethod
    @abstractmethod
    def of(cls, name: str, record: Record) -> Self:
        """Return the column that ``record`` describes.

        Raises:
            ValueError, KeyError, TypeError: If it describes none.
        """

    @property
    @abstractmethod
    def features(self) -> int:
        """The number of features that it becomes."""

    @abstractmethod
    def told(self) -> str:
        """Return in words what its cells are."""

    @abstractmethod
    def example(self) -> Any:
        """Return a cell that it takes, a text or a number."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeftOut(ColumnSchema):
    """A column that tells nothing, such as one of row numbers: whatever is in it is ignored."""

    kind = "left out"

    def record(self) -> dict[str, Any]:
        return {}

    @classmethod
    def of(cls, name: str, record: Record) -> Self:
        return cls(name=name)

    @property
    def features(self) -> int:
        return 0

    def told(self) -> str:
        return "not used"

    def example(self) -> Any:
        return None


@dataclasses.dataclass(frozen=True)
class Figures:
    """Standardization of a number to a feature: ``(number - mean) / deviation``, a gap filled before.

    Attributes:
        fill: What stands for a missing number.
        mean: Mean of the training part, gaps filled.
        deviation: Its standard deviation; 1 where that is 0.
    """

    fill: float = 0.0
    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, record: Any) -> Self:
        fill, mean, deviation = (as_number(record[name]) for name in ("fill", "mean", "deviation"))
        if deviation <= 0:
            raise ValueError(f"a deviation is {deviation}")
        return cls(fill, mean, deviation)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured(ColumnSchema):
    """A column whose cells are read as numbers, and the figures that make features of them.

    Attributes:
        missing: Texts, in lower case, that mean a missing value.
        exponent: The numbers are divided by 2 to the power of it before all else, so that the squares of the
            largest are finite.
        figures: Those of the number itself, and then of what else is made of it.
        gap: Mean and deviation of the feature that marks a missing value, 1 or 0; ``None`` if the training
            part had no gap, and so no such feature: then a gap is only filled.
    """

    missing: tuple[str, ...] = ("",)
    exponent: int = 0
    figures: tuple[Figures, ...] = (Figures(),)
    gap: tuple[float, float] | None = None

    @property
    def features(self) -> int:
        return len(self.figures) + (self.gap is not None)

    def read(self, series: Any, where: Callable[[int], str]) -> Array:
        """Return a pandas Series' numbers, float64, NaN where a value is missing.

        Args:
            series: The column.
            where: Function from a place in it to its name, such as ``row 3 (counted from 0)``.

        Raises:
            UserError: If a cell is no such number; names the column and the row.
        """
        values = self._plain(series, where)
        if values is None:
            codes, found = distinct_cells(self.name, series, where)
            every, reasons = self._values(found)
            values = np.append(every, np.nan)[codes]
            if reasons:
                place = int(np.isin(codes, list(reasons)).argmax())
                refuse_cell(self.name, where(place), found[codes[place]], reasons[codes[place]])
        values = self._finished(values)
        if (endless := np.isinf(values)).any():
            place = int(endless.argmax())
            refuse_cell(
                self.name, where(place), series.iloc[place], "an infinite number, or one beyond 1e308"
            )
        return values

    @abstractmethod
    def _plain(self, series: Any, where: Callable[[int], str]) -> Array | None:
        """Return the numbers of a series whose type alone tells them; ``None`` of others."""

    @abstractmethod
    def _values(self, cells: list[Any]) -> tuple[Array, dict[int, str]]:
        """Return the number of each cell, NaN where it is missing; and why, for those that are none."""

    def _finished(self, values: Array) -> Array:
        """Return the numbers without those that mean a missing value."""
        return values

    def _is_mark(self, text: str) -> bool:
        return text.lower() in self._marks

    @cached_property
    def _marks(self) -> frozenset[str]:
        return frozenset(self.missing)

    def _told_gap(self) -> str:
        return "; may be missing" if self.gap is not None else ""

    def record(self) -> dict[str, Any]:
        return {
            "missing": list(self.missing),
            "exponent": self.exponent,
            "figures": [dataclasses.asdict(each) for each in self.figures],
            "gap": None if self.gap is None else {"mean": self.gap[0], "deviation": self.gap[1]},
        }


def measured_of(record: Record, figures: int) -> dict[str, Any]:
    """Return the arguments of :class:`Measured` in a record of a column with so many ``figures``.

    Raises:
        ValueError, KeyError, TypeError: If they are none.
    """
    exponent, gap, found = record["exponent"], record["gap"], record["figures"]
    if type(exponent) is not int or not -1000 <= exponent <= 1000:
        raise ValueError(f"{exponent!r} is no exponent")
    if not isinstance(found, list) or len(found) != figures:
        raise ValueError(f"a column of {figures} features has not as many figures")
    if gap is not None:
        mark = Figures.of({"fill": 0, **gap})
        gap = (mark.mean, mark.deviation)
    return {
        "missing": as_texts(record["missing"]),
        "exponent": exponent,
        "figures": tuple(map(Figures.of, found)),
        "gap": gap,
    }


def column_record(column: ColumnSchema) -> dict[str, Any]:
    """Return what was decided of a column as JSON has it."""
    return {"name": column.name, **column.with_kind()}


def column_of(record: Any) -> ColumnSchema:
    """Return the column that ``record`` describes.

    Raises:
        ValueError, KeyError, TypeError: If it describes none.
    """
    if not isinstance(record, Mapping):
        raise TypeError(f"{record!r:.50} describes no column")
    found: ColumnSchema = ColumnSchema.class_of(record["kind"]).of(as_text(record["name"]), record)
    return found


def as_text(value: Any) -> str:
    """Return a text of JSON.

    Raises:
        TypeError: If it is none.
    """
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.50} is no text")
    return value


def as_texts(values: Any) -> tuple[str, ...]:
    """Return a list of different texts of JSON.

    Raises:
        TypeError, ValueError: If it is none, or too long.
    """
    if not isinstance(values, list) or len(values) > MOST_TEXTS:
        raise TypeError("a list of texts is none, or too long")
    texts = tuple(map(as_text, values))
    if len(set(texts)) < len(texts):
        raise ValueError("a text stands twice in a list")
    return texts


def distinct_cells(name: str, series: Any, where: Callable[[int], str]) -> tuple[Array, list[Any]]:
    """Return the place of each cell in a list of the different ones, -1 where it is missing, and that list.

    Raises:
        UserError: If one is a list, a dictionary or the like.
    """
    import pandas

    cells = series.astype(object).to_numpy()
    if any(isinstance(cell, bool | np.bool_) for cell in cells):  # True would be one with 1
        cells = np.array([str(c) if isinstance(c, bool | np.bool_) else c for c in cells], dtype=object)
    try:
        codes, found = pandas.factorize(cells, use_na_sentinel=True)
    except TypeError:
        for place, cell in enumerate(cells):
            if not np.isscalar(cell) and getattr(type(cell), "__hash__", None) is None:
                refuse_cell(name, where(place), cell, "neither a number nor a text")
        raise
    return codes, list(found)


def refuse_cell(name: str, where: str, cell: Any, why: str) -> NoReturn:
    """Raise a ``UserError`` that names a cell which is not what the column holds."""
    shown = repr(cell)
    raise UserError(
        f"column {name!r} in {where} holds {shown if len(shown) <= 40 else shown[:37] + '...'}, {why}"
    )


def shown(texts: Sequence[str], most: int = 10) -> str:
    """Return the first of ``texts`` in words, and how many more there are."""
    first = [repr(text) if "," in text else text for text in texts[:most]]
    return ", ".join(first) + (f" and {len(texts) - most:,} more" if len(texts) > most else "")
