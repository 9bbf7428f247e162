"""Series of numbers, of which a forecaster takes the last window."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from optnas.data.csv_pieces import FileFormat, csv_pieces
from optnas.data.numbers import Array, as_numbers, refuse_unfit
from optnas.data.schemas.array_files import open_array
from optnas.data.schemas.arrays import Arrays
from optnas.data.schemas.column import refuse_cell
from optnas.data.schemas.schema import Piece, Record, Schema
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
        windows = array.ndim == 3 or (array.ndim == 2 and features == 1 != array.shape[1] == length)
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
        refuse_unfit("inputs", array, "window {}".format)
        return array[:, -length:]

    def tensors(self, given: Any) -> Tensor:
        return torch.from_numpy(np.array(self.samples(given), dtype=np.float64))

    def read_file(self, path: Path, size: int) -> Iterator[Piece]:
        """Yield the windows in a ``.npy`` file, or the last window of a series in one or in a CSV file."""
        if path.suffix != ".npy":
            yield Piece(self._end_of_csv(path), 1.0)
            return
        array = open_array(path)
        windows = array.ndim == 3
        for start in range(0, len(array), size) if windows else (0,):
            given = array[start : start + size] if windows else array[-self.shape[0] :]
            yield Piece(given, min(1.0, (start + size) / len(array)) if windows else 1.0)

    def _end_of_csv(self, path: Path) -> Any:
        """Return the last steps of a CSV file whose columns are the features in their order."""
        length = self.shape[0]
        names: list[str] = []
        last: list[tuple[int, tuple[str, ...]]] = []
        for table, _, lines, _ in csv_pieces(path, FileFormat(), (), _ROWS):
            names = list(table.columns)
            rows = table.iloc[-length:].itertuples(index=False, name=None)
            last = [*last, *zip(lines[-length:], rows, strict=True)][-length:]
        return np.array([_numbers(names, line, row) for line, row in last])

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
