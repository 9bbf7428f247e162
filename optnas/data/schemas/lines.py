"""Texts in a file or a stream, a line each, read a piece at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from optnas.data.csv_texts import STANDARD_INPUT
from optnas.data.schemas.schema import Piece
from optnas.errors import UserError, searched

__all__ = ["line_pieces", "stream_lines"]

# A longer line is no text that someone wrote; without a bound one of gigabytes would be read at once.
_MOST_CHARACTERS = 10_000_000
# After how many characters a piece has enough lines.
_ENOUGH = 2**24


def line_pieces(path: Path, size: int) -> Iterator[Piece]:
    """Yield the lines of a file in UTF-8 that are not empty, ``size`` at a time, with their numbers.

    Raises:
        UserError: If it cannot be read, is no text, or a line is too long.
    """
    try:
        whole = max(1, path.stat().st_size)
        with path.open("rb") as file:
            yield from _pieces(str(path), file, size, lambda: min(1.0, file.tell() / whole))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}{searched(path)}") from None


def stream_lines(file: BinaryIO, size: int) -> Iterator[Piece]:
    """Yield the lines of standard input as :func:`line_pieces` does those of a file."""
    yield from _pieces(STANDARD_INPUT, file, size, lambda: None)


def _pieces(name: str, file: BinaryIO, size: int, share: Callable[[], float | None]) -> Iterator[Piece]:
    import pandas

    lines, found = _lines(name, file), False
    while taken := _take(lines, size):
        found = True
        numbers, texts = zip(*taken, strict=True)
        yield Piece(list(texts), share(), pandas.DataFrame({"line": numbers}), where=_named(numbers))
    if not found:
        raise UserError(f"{name} has no line with a text")


def _named(numbers: Sequence[int]) -> Callable[[int], str]:
    return lambda place: f"line {numbers[place]}"


def _take(lines: Iterator[tuple[int, str]], size: int) -> list[tuple[int, str]]:
    """Return the next lines, at most ``size``, and fewer of long ones."""
    taken: list[tuple[int, str]] = []
    characters = 0
    while len(taken) < size and characters < _ENOUGH and (each := next(lines, None)) is not None:
        taken.append(each)
        characters += len(each[1])
    return taken


def _lines(name: str, file: BinaryIO) -> Iterator[tuple[int, str]]:
    for number in itertools.count(1):
        line = file.readline(_MOST_CHARACTERS)
        if len(line) == _MOST_CHARACTERS:
            raise UserError(f"{name}, line {number}: it has more than {_MOST_CHARACTERS:,} bytes: divide it")
        if not line:
            return
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise UserError(f"{name}, line {number}: it is no text in UTF-8: {error.reason}") from None
        if text:
            yield number, text
