"""Series of numbers, of which a forecaster takes the last window."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import torch
from torch import Tensor, nn

from optnas.data.csv_pieces import CsvPiece, FileFormat, csv_pieces, csv_stream_pieces
from optnas.data.numbers import Array, as_numbers, unfit
from optnas.data.schemas.array_files import ARRAYS, array_piece, open_array
from optnas.data.schemas.arrays import Arrays
from optnas.data.schemas.column import refuse_cell
from optnas.data.schemas.schema import Piece, Record, Schema, UnfitSample
from optnas.data.trees import Tree
from optnas.errors import UserError

__all__ = ["Series"]

# Rows of a CSV file that are read at once.
_ROWS = 10_000


@dataclasses.dataclass(frozen=True, eq=False)
class Series(Schema):
    """A series of numbers in order of time, of which the last window counts, or windows of several.

    A series is (steps,) or (steps, features), such as a DataFrame, of at least as many steps as a window;
    windows are (samples, length, features), or (samples, length) of one feature.

    Attributes:
        window: A window, (length, features), with its normalisation.
    """

    kind = "series"

    window: Arrays

    @property
    def shape(self) -> tuple[int, ...]:
        return self.window.shape

    def record(self) -> dict[str, Any]:
        return self.window.record()

    @classmethod
    def of(cls, record: Record) -> Self:
        window = Arrays.of(record)
        if len(window.shape) != 2 or window.given != window.shape:
            raise ValueError(f"{window.shape} is no window of a series")
        return cls(window)

    def samples(self, given: Any) -> Array:
        """Return windows (samples, length, features)."""
        length, features = self.shape
        try:
            array = as_numbers(given)
        except (TypeError, ValueError) as error:
            raise UserError(f"a series must be numbers of one shape: {error}") from None
        windows = self._are_windows(array)
        if array.ndim == 1 or (array.ndim == 2 and windows):
            array = array[..., None]
        if array.ndim == 2:
            array = array[None]
        if array.ndim != 3 or not array.size or array.shape[2] != features:
            raise UserError(
                f"the network takes a series (steps, {features}) or windows (samples, {length}, {features}),"
                f" not {np.shape(given)}"
            )
        if array.shape[1] < length or (windows and array.shape[1] != length):
            needs = f"windows of {length} steps" if windows else f"a series of at least {length} steps"
            raise UserError(f"the network takes {needs}, not of {array.shape[1]}")
        several = windows or array.shape[0] > 1
        if (found := unfit(array if several else array[0])) is not None:
            raise UnfitSample(*found, "window" if several else "step")
        return array[:, -length:]

    def _are_windows(self, array: Array) -> bool:
        length, features = self.shape
        return array.ndim == 3 or (array.ndim == 2 and features == 1 != array.shape[1] == length)

    def tensors(self, given: Any) -> Tensor:
        return torch.from_numpy(np.array(self.samples(given), dtype=np.float64))

    def read_file(self, path: Path, size: int) -> Iterator[Piece]:
        """Yield the windows in a ``.npy`` file, or the last window of a series in one or in a CSV file."""
        if path.suffix not in ARRAYS:
            yield self._end_of_rows(csv_pieces(path, FileFormat(), (), _ROWS), 1.0)
            return
        array = open_array(path)
        if not self._are_windows(array):
            yield array_piece(array, slice(-self.shape[0], None), "step")
            return
        for start in range(0, len(array), size):
            yield array_piece(array, slice(start, start + size), "window")

    def read_stream(self, file: BinaryIO, size: int) -> Iterator[Piece]:
        """Yield the last window of a series in CSV, once the stream has ended."""
        yield self._end_of_rows(csv_stream_pieces(file, FileFormat(), (), _ROWS), None)

    def _end_of_rows(self, pieces: Iterable[CsvPiece], share: float | None) -> Piece:
        """Return the last steps of rows of texts, whose columns are the features in their order."""
        length = self.shape[0]
        names: list[str] = []
        last: list[tuple[int, tuple[str, ...]]] = []
        for table, _, lines, _ in pieces:
            names = list(table.columns)
            rows = table.iloc[-length:].itertuples(index=False, name=None)
            last = [*last, *zip(lines[-length:], rows, strict=True)][-length:]
        numbers = np.array([_numbers(names, line, row) for line, row in last])
        return Piece(numbers, share, where=lambda step: f"line {last[step][0]}")

    def preparation(self) -> nn.Module:
        return self.window.preparation()

    def drawn(self, count: int, generator: torch.Generator) -> Tensor:
        return self.window.drawn(count, generator)

    def restored(self, stored: Tree, prepare: Callable[[Tree], Tree]) -> Tensor | None:
        return self.window.restored(stored, prepare)

    def unprepared(self, x: Tensor) -> Any:
        return self.window.unprepared(x)

    def told(self) -> str:
        length, features = self.shape
        of = "(steps,)" if features == 1 else f"(steps, {features})"
        return (
            f"a series {of} of at least {length} steps in order of time, of which the last {length} count, or"
            f" windows (samples, {length}, {features}); not normalised: the model does that"
        )

    def example(self) -> str:
        length, features = self.shape
        return f"np.arange({length}.0)" if features == 1 else f"np.zeros(({length}, {features}))"


def _numbers(names: Sequence[str], line: int, row: Sequence[str]) -> list[float]:
    """Return the numbers in a row of a CSV file.

    Raises:
        UserError: If a cell is none; names the column and the line.
    """
    found = []
    for name, cell in zip(names, row, strict=True):
        try:
            found.append(float(cell))
        except ValueError:
            refuse_cell(name, f"line {line}", cell, "no number")
    return found
