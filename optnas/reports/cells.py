"""A plot in the cells of a terminal: dots in braille, lines, marks with labels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from rich.text import Text

__all__ = ["Cells"]

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
# By the sides of a cell that a line touches: 1 left, 2 right, 4 up, 8 down.
_LEFT, _RIGHT, _UP, _DOWN = 1, 2, 4, 8
_LINES = " ───│╯╰┴│╮╭┬│┤├┼"
_ASCII_LINES = " ---|+++|+++|+++"
_DOT, _LINE, _MARK, _LABEL = Style(dim=True), Style(color="cyan"), Style(color="cyan", bold=True), Style()

Places = NDArray[np.float64]


class Cells:
    """The cells of a plot. Places are 0 to 1 to the right and upwards, arrays of shape (points, 2).

    Args:
        width: The number of columns.
        height: The number of rows.
        ascii: Whether to draw by characters of ASCII alone.
    """

    def __init__(self, width: int, height: int, *, ascii: bool = False) -> None:  # noqa: A002
        self.width, self.height, self._ascii = width, height, ascii
        self._glyphs = np.full((height, width), " ", dtype="<U1")
        self._styles = np.full((height, width), None, dtype=object)

    def dots(self, places: Places) -> None:
        """Draw a dot for each point; there are eight in a cell."""
        grid = np.zeros((self.height * 4, self.width * 2), dtype=bool)
        x = (places[:, 0] * (self.width * 2 - 1)).round().astype(int)
        y = ((1 - places[:, 1]) * (self.height * 4 - 1)).round().astype(int)
        grid[y, x] = True
        codes = np.einsum("rycx,yx->rc", grid.reshape(self.height, 4, self.width, 2), _DOTS)
        there = codes > 0
        dots = np.array([["." if self._ascii else chr(0x2800 + code) for code in row] for row in codes])
        self._glyphs[there], self._styles[there] = dots[there], _DOT

    def steps(self, places: Places) -> None:
        """Draw a line through points, first along x, then along y."""
        sides = np.zeros((self.height, self.width), dtype=int)
        cells = self._cells(places)
        for (row, column), (to_row, to_column) in itertools.pairwise(cells):
            low, high = sorted((column, to_column))
            sides[row, low:high] |= _RIGHT
            sides[row, low + 1 : high + 1] |= _LEFT
            low, high = sorted((row, to_row))
            sides[low:high, to_column] |= _DOWN
            sides[low + 1 : high + 1, to_column] |= _UP
        there = sides > 0
        lines = np.array(list(_ASCII_LINES if self._ascii else _LINES))[sides]
        self._glyphs[there], self._styles[there] = lines[there], _LINE

    def marks(self, places: Places, labels: Sequence[str], *, right: bool = False) -> None:
        """Mark points, with their labels where nothing else is: on the left or ``right``, above, below."""
        cells = self._cells(places)
        for row, column in cells:
            self._put(row, column, "o" if self._ascii else "●", _MARK)
        for (row, column), label in dict(zip(cells, labels, strict=True)).items():
            before, behind = column - len(label), column + 1
            sides = (behind, before) if right else (before, behind)
            tries = [(row, sides[0]), (row - 1, before + 1), (row - 1, column), (row + 1, column)]
            for at, start in [*tries, (row + 1, before + 1), (row, sides[1])]:
                if self._is_free(at, start, len(label), column if at == row else None):
                    self._put(at, start, label, _LABEL)
                    break

    def _put(self, row: int, start: int, text: str, style: Style) -> None:
        self._glyphs[row, start : start + len(text)] = list(text)
        self._styles[row, start : start + len(text)] = style

    def _is_free(self, row: int, start: int, length: int, mark: int | None) -> bool:
        """Return whether there is room for a label: two beside each other would read as one."""
        end = start + length
        if not (0 <= row < self.height and start >= 0 and end <= self.width):
            return False
        around = [c for c in range(max(0, start - 1), min(self.width, end + 1)) if c != mark]
        return bool((self._glyphs[row, around] == " ").all())

    def _cells(self, places: Places) -> list[tuple[int, int]]:
        rows = ((1 - places[:, 1]) * (self.height - 1)).round().astype(int).tolist()
        columns = (places[:, 0] * (self.width - 1)).round().astype(int).tolist()
        return list(zip(rows, columns, strict=True))

    def lines(self) -> list[Text]:
        """Return the rows from the top down."""
        return [
            Text.assemble(*((str(glyph), style or "") for glyph, style in zip(*row, strict=True)))
            for row in zip(self._glyphs, self._styles, strict=True)
        ]
