"""Tables: rows of numbers, dates, yes and no, and categories, in a DataFrame, dictionaries or a CSV file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import torch
from torch import Tensor

from optnas.data.cells import quoted
from optnas.data.csv_pieces import CsvPiece, FileFormat, csv_pieces, csv_stream_pieces
from optnas.data.numbers import MOST, Array
from optnas.data.schemas.column import (
    MOST_TEXTS,
    ColumnSchema,
    Measured,
    column_of,
    column_record,
    shown,
)
from optnas.data.schemas.columns import CategoryColumn
from optnas.data.schemas.schema import Piece, Record, Schema
from optnas.data.schemas.table_layer import PrepareTable
from optnas.data.trees import Tree
from optnas.errors import DataWarning, UserError, nearest, warn_caller

__all__ = ["Rows", "Table", "TooFar", "UnseenCategories", "joined_unseen"]


class TooFar(UserError):
    """A number is too far from those of the training part; :attr:`column` is its column."""

    def __init__(self, column: str, where: str) -> None:
        super().__init__(
            f"column {column!r} in {where} is too far from all that the training part has; mend it"
        )
        self.column = column


class UnseenCategories(DataWarning):
    """Texts of a column of categories that the training part does not have."""

    def __init__(self, column: str, texts: Sequence[str], rows: int) -> None:
        super().__init__(
            f"column {column!r}: {quoted(texts)}, in {rows} row{'s' if rows != 1 else ''}, not in the"
            " training part and so 0 in all features"
        )
        self.column, self.texts, self.rows = column, tuple(texts), rows


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a table.

    Attributes:
        table: A pandas DataFrame, its columns named by texts.
        start: The number of rows before them in the whole table.
        lines: The line of the file that each ends in; ``None`` if they are from no file.
    """

    table: Any
    start: int = 0
    lines: Sequence[int] | None = None

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, at: slice) -> Rows:
        first = at.indices(len(self))[0]
        return Rows(self.table.iloc[at], self.start + first, None if self.lines is None else self.lines[at])

    def where(self, place: int) -> str:
        """Return the name of a row in words."""
        if self.lines is not None:
            return f"line {self.lines[place]}"
        return f"row {self.start + place} (counted from 0)"


@dataclasses.dataclass(frozen=True)
class Table(Schema):
    """Rows of a table, whose columns are read as was decided in training.

    Attributes:
        columns: Every column but the target and those that were dropped.
        file: How a CSV file of such rows is written; by default as it shows by itself.
    """

    kind = "table"

    columns: tuple[ColumnSchema, ...]
    file: FileFormat = FileFormat()  # noqa: RUF009 - it is frozen

    @cached_property
    def measured(self) -> tuple[Measured, ...]:
        """The columns that are read as numbers, in the order of ``numbers``."""
        return tuple(column for column in self.columns if isinstance(column, Measured))

    @cached_property
    def categories(self) -> tuple[CategoryColumn, ...]:
        """The columns of categories, in the order of ``codes``."""
        return tuple(column for column in self.columns if isinstance(column, CategoryColumn))

    @property
    def used(self) -> tuple[Measured | CategoryColumn, ...]:
        """The columns that a row must have."""
        return tuple(column for column in self.columns if isinstance(column, Measured | CategoryColumn))

    @property
    def shape(self) -> tuple[int, ...]:
        return (sum(column.features for column in self.columns),)

    def record(self) -> dict[str, Any]:
        return {"columns": [column_record(column) for column in self.columns], "file": self.file.record()}

    @classmethod
    def of(cls, record: Record) -> Self:
        given = record["columns"]
        if not isinstance(given, list) or len(given) > MOST_TEXTS:
            raise TypeError("the columns of a table are no list, or too many")
        found = cls(tuple(map(column_of, given)), FileFormat.of(record["file"]))
        names = [column.name for column in found.columns]
        if len(set(names)) < len(names):
            raise ValueError("two columns have one name")
        if not found.used:
            raise ValueError("a table has no column to learn from")
        if (count := sum(len(column.categories) for column in found.categories)) > MOST_TEXTS:
            raise ValueError(f"{count:,} categories are more than a table has")
        return found

    def samples(self, given: Any) -> Rows:
        """Return the rows of a DataFrame, a list of dictionaries, one dictionary, or a dictionary of columns.

        Raises:
            UserError: If it is none of these, or has not every column that is used.
        """
        if isinstance(given, Rows):
            return given
        return Rows(self._frame(given))

    def _check_columns(self, names: Sequence[str]) -> None:
        used = [column.name for column in self.used]
        missing = [name for name in used if name not in names]
        if len(missing) == 1:
            raise UserError(
                f"the rows have no column {missing[0]!r}: {nearest(missing[0], names, 'given are')};"
                f" the network takes {shown(used)}"
            )
        if missing:
            raise UserError(
                f"the rows have no columns {shown(list(map(repr, missing)))}; given are {shown(names)}"
            )
        for name in used:
            if names.count(name) > 1:
                raise UserError(f"the rows have two columns of one name, {name!r}: rename one")

    def _frame(self, given: Any) -> Any:
        """Return a pandas DataFrame with the columns that are used, and perhaps others."""
        import pandas

        if isinstance(given, pandas.DataFrame):
            table = given.rename(columns=str)
            self._check_columns(list(table.columns))
            return table
        if isinstance(given, pandas.Series):
            given = given.to_dict()
        used = [column.name for column in self.used]
        if isinstance(given, Mapping):
            named = {str(name): values for name, values in given.items()}
            if any(_is_column(named.get(name)) for name in used):
                self._check_columns(list(named))
                return _of_columns({name: named[name] for name in used})
        rows = list(given) if isinstance(given, list | tuple) else [given]
        for row, each in enumerate(rows):
            self._check_row(row, each)
        rows = [{str(name): value for name, value in each.items()} for each in rows]
        return pandas.DataFrame({n: pandas.Series([row[n] for row in rows], dtype=object) for n in used})

    def _check_row(self, row: int, given: Any) -> None:
        if not isinstance(given, Mapping):
            raise UserError(
                "the network takes rows of a table: a DataFrame, or a dictionary of values by column or a"
                f" list of such; row {row} (counted from 0) is of {type(given).__name__}"
            )
        named = {str(name) for name in given}
        for column in self.used:
            if column.name not in named:
                raise UserError(
                    f"row {row} (counted from 0) has no {column.name!r}:"
                    f" {nearest(column.name, named, 'given are')};"
                    " give None for a missing value"
                )

    def tensors(self, given: Any) -> dict[str, Tensor]:
        """Return ``numbers``, float64, NaN where one is missing, and ``codes``, int64, -1 for an unseen one.

        A missing value in a column that had none in training is filled as others would be. What the table
        has none of is left away.

        Raises:
            UserError: If a column or a value is not what the network was trained on.
        """
        found, unseen = self.read(self.samples(given))
        for each in unseen:
            warn_caller(each)
        return found

    def read(self, rows: Rows) -> tuple[dict[str, Tensor], list[UnseenCategories]]:
        """Return the tensors of :meth:`tensors`, and what it warns of.

        Raises:
            UserError: As :meth:`tensors`; :class:`TooFar` for what no network can be given.
        """
        found: dict[str, Tensor] = {}
        unseen = []
        if self.measured:
            numbers = [column.read(rows.table[column.name], rows.where) for column in self.measured]
            for column, values in zip(self.measured, numbers, strict=True):
                _refuse_far(column, values, rows)
            found["numbers"] = torch.from_numpy(np.stack(numbers, axis=1))
        if self.categories:
            codes = []
            for category in self.categories:
                cells = rows.table[category.name]
                texts = category.read(cells, rows.where)
                codes.append(category.codes(texts, cells))
                if (new := codes[-1] < 0).any():
                    told = sorted(set(texts[new]))
                    unseen.append(UnseenCategories(category.name, told, int(new.sum())))
            found["codes"] = torch.from_numpy(np.stack(codes, axis=1))
        return found, unseen

    def batches(self, given: Any, size: int, **options: Any) -> Iterator[dict[str, Tensor]]:
        """Yield a user's rows as tensors, ``size`` at a time; warn of unseen categories at the end."""
        rows = self.samples(given)
        unseen: list[UnseenCategories] = []
        for start in range(0, len(rows), size):
            found, new = self.read(rows[start : start + size])
            unseen += new
            yield found
        for each in joined_unseen(unseen):
            warn_caller(each)

    def preparation(self) -> PrepareTable:
        return PrepareTable(self.measured, self.categories)

    def drawn(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        return self.preparation().drawn(count, generator)

    def restored(self, stored: Tensor, prepare: Callable[[Tree], Tree]) -> dict[str, Tensor]:
        return self.preparation().back(prepare(stored))

    def read_file(self, path: Path, size: int) -> Iterator[Piece]:
        return self._checked(csv_pieces(path, self.file, self._needed, size))

    def read_stream(self, file: BinaryIO, size: int) -> Iterator[Piece]:
        return self._checked(csv_stream_pieces(file, self.file, self._needed, size))

    @property
    def _needed(self) -> list[str]:
        return [column.name for column in self.used]

    def _checked(self, pieces: Iterable[CsvPiece]) -> Iterator[Piece]:
        for table, start, lines, share in pieces:
            self._check_columns(list(table.columns))
            yield Piece(Rows(table, start, lines), share, carried=table)

    def told(self) -> str:
        each = "; ".join(f"{column.name!r}: {column.told()}" for column in self.used)
        return (
            "rows of a table, as a DataFrame, a list of dictionaries, one dictionary or a CSV file; its"
            f" columns, in any order and beside others: {each}. Of a missing value that had none in training"
            " the mean is taken; a category that is not known counts as none of all, and is warned of"
        )

    def example(self) -> str:
        return "{" + ", ".join(f"{each.name!r}: {each.example()!r}" for each in self.used) + "}"


def joined_unseen(unseen: Sequence[UnseenCategories]) -> list[UnseenCategories]:
    """Return one warning for each column of those of several batches."""
    texts: dict[str, set[str]] = {}
    rows: dict[str, int] = {}
    for each in unseen:
        texts.setdefault(each.column, set()).update(each.texts)
        rows[each.column] = rows.get(each.column, 0) + each.rows
    return [UnseenCategories(name, sorted(found), rows[name]) for name, found in texts.items()]


def _of_columns(given: Mapping[str, Any]) -> Any:
    """Return a pandas DataFrame of columns, whose values keep their types."""
    import pandas

    columns = {name: list(values) if _is_column(values) else values for name, values in given.items()}
    counts = {name: len(values) for name, values in columns.items() if isinstance(values, list)}
    if len(set(counts.values())) > 1 or len(counts) < len(columns):
        told = ", ".join(f"{counts.get(name, 'one value, no list,')} of {name!r}" for name in columns)
        raise UserError(f"the columns have not one value for each row, but {told}")
    return pandas.DataFrame({name: pandas.Series(values, dtype=object) for name, values in columns.items()})


def _is_column(values: Any) -> bool:
    import pandas

    return isinstance(values, list | tuple | pandas.Series | pandas.Index) or (
        isinstance(values, np.ndarray | Tensor) and values.ndim > 0
    )


def _refuse_far(column: Measured, values: Array, rows: Rows) -> None:
    """Raise if a number is beyond what a network can be given."""
    figures = column.figures[0]
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (values * 2.0**-column.exponent - figures.mean) / figures.deviation
        far = np.abs(scaled) > MOST
    if far.any():
        raise TooFar(column.name, rows.where(int(far.argmax())))
