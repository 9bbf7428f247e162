"""Rows of a CSV file a piece at a time, within bounded memory."""

from __future__ import annotations

import codecs
import contextlib
import csv
import dataclasses
import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

from optnas.data.csv_texts import (
    MARKED,
    STANDARD_INPUT,
    check_names,
    check_width,
    longest_field,
    open_bytes,
    separator_of,
    without_comments,
)
from optnas.errors import UserError

__all__ = ["CsvPiece", "FileFormat", "csv_pieces", "csv_stream_pieces"]

# Lines that show a file's format.
_FIRST_LINES = 200
_BLOCK = 2**20
# Characters: of a line or a field, far more than a row of a million columns has, and after how many the
# lines that show a format, or the rows of a piece, are enough.
_LONGEST, _ENOUGH = 2**26, 2**24


@dataclasses.dataclass(frozen=True)
class FileFormat:
    """Format of a CSV file of rows, as far as it is known.

    Attributes:
        separator: The text between columns.
        encoding: Its encoding, if whoever made the data said it.
        names: The names of its columns, if its first line is no header.
        target: The column that rows to predict may lack.
    """

    separator: str | None = None
    encoding: str | None = None
    names: tuple[str, ...] | None = None
    target: str = ""

    def record(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        names = None if self.names is None else list(self.names)
        return {**dataclasses.asdict(self), "names": names}

    @classmethod
    def of(cls, record: Any) -> Self:
        """Return the format that ``record`` describes.

        Raises:
            ValueError, KeyError, TypeError: If it describes none.
        """
        if not isinstance(record, Mapping):
            raise TypeError(f"{record!r:.50} describes no format of a file")
        separator, encoding, names = record["separator"], record["encoding"], record["names"]
        for text in (separator or "", encoding or "", record["target"], *(names or ())):
            if not isinstance(text, str):
                raise TypeError(f"{text!r:.50} is no text")
        if separator is not None and (len(separator) != 1 or separator in '\r\n"'):
            raise ValueError(f"{separator!r:.50} is no separator of columns")
        if encoding is not None:
            try:
                "".encode(encoding)
            except (LookupError, UnicodeError, ValueError):
                raise ValueError(f"{encoding!r:.50} is no encoding") from None
        return cls(separator, encoding, None if names is None else tuple(names), record["target"])


CsvPiece = tuple[Any, int, list[int], float | None]
"""Rows as a pandas DataFrame of texts, the number of rows before them, the line in which each ends, and the
share of the file that is read, ``None`` of a stream. A header alone is one piece without rows."""


def csv_pieces(path: Path, how: FileFormat, needed: Sequence[str], size: int) -> Iterator[CsvPiece]:
    """Yield the rows of a CSV file, plain or compressed, at most ``size`` at a time.

    Args:
        path: Path of the file.
        how: How it is written; what does not fit is guessed.
        needed: Columns that it should have, if that is known; the first tells its separator.
        size: The most rows of a piece.

    Raises:
        UserError: If it cannot be read, or a row has another number of fields than the header.
    """
    encoding = _encoding(path, how.encoding)
    with open_bytes(path) as (file, share):
        try:
            yield from _pieces(
                str(path), io.TextIOWrapper(file, encoding, newline=""), how, needed, size, share
            )
        except UnicodeError as error:
            raise UserError(f"{path} is not a CSV file in {encoding}{_place(error)}") from None


def csv_stream_pieces(
    file: BinaryIO, how: FileFormat, needed: Sequence[str], size: int
) -> Iterator[CsvPiece]:
    """Yield the rows of standard input as :func:`csv_pieces` does; it is read once, so in UTF-8 if unsaid.

    Raises:
        UserError: As :func:`csv_pieces`.
    """
    encoding = how.encoding or "utf-8"
    first = file.peek(4) if isinstance(file, io.BufferedReader) else b""
    encoding = next((found for mark, found in MARKED if first.startswith(mark)), encoding)
    stream = io.TextIOWrapper(file, encoding, newline="")
    try:
        yield from _pieces(STANDARD_INPUT, stream, how, needed, size, lambda: None)
    except UnicodeError as error:
        raise UserError(
            f"{STANDARD_INPUT} is not CSV in {encoding}{_place(error)}: decompress or convert it before, as"
            " by iconv, or give the path of a file"
        ) from None
    finally:
        with contextlib.suppress(ValueError):  # if it is closed already
            stream.detach()  # else it would be closed with it


def _place(error: UnicodeError) -> str:
    """Return where a text is none in its encoding; some encodings do not say it."""
    return f", at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""


def _pieces(
    path: str,
    stream: io.TextIOWrapper,
    how: FileFormat,
    needed: Sequence[str],
    size: int,
    share: Callable[[], float | None],
) -> Iterator[CsvPiece]:
    import pandas

    start = 0
    rows, names = _rows(path, stream, how, needed)
    while taken := _take(path, rows, size):
        for line, row in taken:
            check_width(path, row, line, len(names))
        table = pandas.DataFrame([row for _, row in taken], columns=names, dtype=object)
        yield table, start, [line for line, _ in taken], share()
        start += len(taken)
    if start == 0:
        yield pandas.DataFrame(columns=names, dtype=object), 0, [], share()


def _encoding(path: Path, said: str | None) -> str:
    """Return the file's encoding: what was said, or what its first bytes say, UTF-8, or else cp1252."""
    if said is not None:
        return said
    with open_bytes(path) as (file, _):
        block = file.read(_BLOCK)
        for mark, found in MARKED:
            if block.startswith(mark):
                return found
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while block:
                decoder.decode(block)
                block = file.read(_BLOCK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8"


def _rows(
    path: str, stream: io.TextIOWrapper, how: FileFormat, needed: Sequence[str]
) -> tuple[Iterator[tuple[int, list[str]]], list[str]]:
    """Return the rows behind the header, with the line in which each ends, and the names of the columns."""
    every = _lines(path, stream)
    first_lines: list[str] = []
    while len(first_lines) < _FIRST_LINES and sum(map(len, first_lines)) < _ENOUGH:
        if (line := next(every, None)) is None:
            break
        first_lines.append(line)
    head = "".join(first_lines)
    plain, _ = without_comments(head)
    text, separator = separator_of(plain, needed[0] if needed else None)
    if how.separator is not None and (
        how.names is not None or set(needed) <= set(_first(plain, how.separator))
    ):
        text, separator = plain, how.separator
    before = head.count("\n") - text.count("\n")
    lines = itertools.chain(io.StringIO(text, newline=""), every)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    rows = ((reader.line_num + before, row) for row in reader if row and (len(row) > 1 or row[0].strip()))
    first = _take(path, rows, 1)
    if not first:
        raise UserError(f"{path} is empty")
    names = _named(path, how, needed, first[0][1])
    if how.names is None or set(needed) <= {name.strip() for name in first[0][1]}:
        return rows, names
    return itertools.chain(first, rows), names


def _lines(path: str, stream: io.TextIOWrapper) -> Iterator[str]:
    """Yield the lines of a file; raise ``UserError`` before one is too long for memory."""
    number = 0
    while line := stream.readline(_LONGEST + 1):
        number += 1
        if len(line) > _LONGEST:
            raise UserError(f"{path}: line {number} has more than {_LONGEST:,} characters; is it a CSV file?")
        if "\0" in line:
            raise UserError(f"{path} is not a CSV file: line {number} holds bytes of 0")
        yield line


def _first(text: str, separator: str) -> list[str]:
    """Return the fields of the first line."""
    try:
        with longest_field(_LONGEST):
            row = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])
    except csv.Error:
        return []
    return _names([field.strip() for field in row])


def _names(header: list[str]) -> list[str]:
    """Return the names of columns as training knows them, of which a header may lack some."""
    return [name or ("" if i == 0 else f"column {i + 1}") for i, name in enumerate(header)]


def _named(path: str, how: FileFormat, needed: Sequence[str], first: list[str]) -> list[str]:
    """Return the names of the columns of a file whose first row is ``first``."""
    header = [name.strip() for name in first]
    if how.names is None or set(needed) <= set(header):
        while header and not header[-1]:  # as behind a last separator
            header.pop()
        header = _names(header)
        check_names(path, header)
        return header
    names = list(how.names)
    if len(first) == len(names) - 1 and how.target in names:
        names.remove(how.target)
    if len(first) != len(names):
        raise UserError(f"{path} has {len(first)} columns and no header; it should have {', '.join(names)}")
    return names


def _take(path: str, rows: Iterator[tuple[int, list[str]]], count: int) -> list[tuple[int, list[str]]]:
    """Return the next rows, at most ``count``, and fewer of long ones."""
    taken: list[tuple[int, list[str]]] = []
    characters = 0
    try:
        with longest_field(_LONGEST):
            while len(taken) < count and characters < _ENOUGH and (each := next(rows, None)) is not None:
                taken.append(each)
                characters += sum(map(len, each[1]))
        return taken
    except csv.Error as error:
        raise UserError(f"{path} is not a CSV file: {error}") from None
