"""Texts in a file, a line each, read a piece at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from optnas.data.schemas.schema import Piece
from optnas.errors import UserError, searched

__all__ = ["line_pieces"]

# A longer line is no text that someone wrote; without a bound one of gigabytes would be read at once.
_MOST_CHARACTERS = 10_000_000


def line_pieces(path: Path, size: int) -> Iterator[Piece]:
    """Yield the lines of a file in UTF-8 that are not empty, ``size`` at a time, with their numbers.

    Raises:
        UserError: If it cannot be read, is no text, or a line is too long.
    """
    import pandas

    try:
        whole = max(1, path.stat().st_size)
        with path.open("rb") as file:
            lines = _lines(path, file)
            found = False
            while taken := list(itertools.islice(lines, size)):
                found = True
                numbers, texts = zip(*taken, strict=True)
                yield Piece(list(texts), min(1.0, file.tell() / whole), pandas.DataFrame({"line": numbers}))
            if not found:
                raise UserError(f"{path} has no line with a text")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}{searched(path)}") from None


def _lines(path: Path, file: BinaryIO) -> Iterator[tuple[int, str]]:
    for number in itertools.count(1):
        line = file.readline(_MOST_CHARACTERS)
        if len(line) == _MOST_CHARACTERS:
            raise UserError(f"{path}, line {number}: it has more than {_MOST_CHARACTERS:,} bytes: divide it")
        if not line:
            return
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise UserError(f"{path}, line {number}: it is no text in UTF-8: {error.reason}") from None
        if text:
            yield number, text
