"""Rows of a CSV file as texts: its encoding, its separator, its header."""

from __future__ import annotations

import codecs
import contextlib
import csv
import dataclasses
import gc
import gzip
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from optnas.data.number_texts import numbers_in
from optnas.errors import UserError, searched

__all__ = [
    "MARKED",
    "STANDARD_INPUT",
    "Texts",
    "check_names",
    "check_width",
    "longest_field",
    "open_bytes",
    "read_texts",
    "separator_of",
    "without_comments",
]

_SEPARATORS = (",", ";", "\t", "|")
# Lines that tell the separator.
_FIRST_LINES = 100
# Of a field, where the text is in memory already.
_ANY_LENGTH = 2**31 - 1
MARKED: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as that of UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""The first bytes of files that tell their encoding."""

STANDARD_INPUT = "standard input"
"""Name of a stream that is no file, in messages."""


@dataclasses.dataclass(frozen=True, eq=False)
class Texts:
    """The columns of a CSV file as texts.

    Attributes:
        names: Their names, without spaces around them; an empty one is ``column 3``.
        columns: Their texts, as many in each.
        separator: The text between columns.
        notes: Guesses about the file that a reader may want to overrule.
    """

    names: list[str]
    columns: list[Sequence[str]]
    separator: str
    notes: tuple[str, ...]


def read_texts(
    path: Path,
    target: str | None,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    names: Sequence[str] | None = None,
) -> Texts:
    """Read a CSV file, plain or compressed (``.gz``, ``.bz2``, ``.xz``, ``.zip``).

    Args:
        path: Path of the file.
        target: A column that it must have; tells the separator where several would do.
        separator: The text between columns, if known.
        encoding: Its encoding, if known.
        names: The names of its columns, if its first line is no header.

    Raises:
        UserError: If it cannot be read, or its rows have different numbers of fields.
    """
    text, notes = _decoded(path, encoding)
    lines, skipped = without_comments(text)
    notes += skipped
    if separator is None:
        lines, separator = separator_of(lines, target)
    elif len(separator) != 1:
        raise UserError(f"separator={separator!r} must be one character")
    rows, numbers = _rows(path, lines, separator, text.count("\n") - lines.count("\n"))
    if not rows:
        raise UserError(f"{path} is empty")
    if names is None:
        names, rows, numbers = [name.strip() for name in rows[0]], rows[1:], numbers[1:]
        if target is not None and target not in names and not np.isnan(numbers_in(names).values).all():
            raise UserError(
                f"{path} has no column {target!r}, and numbers in its first line; if that is no header, say"
                f" names=[...] with the names of its {len(names)} columns"
            )
    else:
        names = [str(name) for name in names]
        if rows and len(names) != len(rows[0]):
            raise UserError(f"{path}: names= has {len(names)} names for {len(rows[0])} columns")
    for row, number in zip(rows, numbers, strict=True):
        check_width(path, row, number, len(names))
    columns: list[Sequence[str]] = list(zip(*rows, strict=True)) or [()] * len(names)
    kept = [i for i, name in enumerate(names) if name or any(text.strip() for text in columns[i])]
    named = [names[i] or ("" if i == 0 else f"column {i + 1}") for i in kept]
    check_names(path, named)
    return Texts(named, [columns[i] for i in kept], separator, notes)


def check_names(path: Path | str, names: Sequence[str]) -> None:
    """Raise ``UserError`` if two columns have one name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        where = " and ".join(str(i + 1) for i, name in enumerate(names) if name == twice[0])
        raise UserError(f"{path} has two columns of one name, {twice[0]!r} (columns {where}): rename one")


def _decoded(path: Path, encoding: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the file's text, and a note of a guessed encoding."""
    with open_bytes(path) as (file, _):
        content: bytes = file.read()
    if not content.strip():
        raise UserError(f"{path} is empty")
    try:
        if encoding is not None:
            return content.decode(encoding), ()
        for mark, found in MARKED:
            if content.startswith(mark):
                return content.decode(found), ()
        if b"\0" in content:
            raise UserError(
                f"{path} is not a CSV file in UTF-8: it holds bytes of 0; say encoding='utf-16' or the like"
            )
        try:
            return content.decode("utf-8"), ()
        except UnicodeDecodeError:
            note = "not in UTF-8, read as cp1252 (Windows, Western Europe); encoding='...' says otherwise"
            return content.decode("cp1252"), (note,)
    except LookupError:
        raise UserError(f"{path}: encoding={encoding!r} is not known") from None
    except UnicodeDecodeError as error:
        where = f"{encoding or error.encoding} at byte {error.start}"
        raise UserError(f"{path} is not a CSV file in UTF-8, nor in {where}: say encoding='...'") from None


@contextmanager
def open_bytes(path: Path) -> Iterator[tuple[Any, Callable[[], float]]]:
    """Open a file, plain or compressed, and a function that returns the share of it that has been read.

    Raises:
        UserError: If it cannot be read, also while it is.
    """
    import bz2
    import lzma
    import zipfile
    import zlib

    try:
        with contextlib.ExitStack() as stack:
            raw: Any = stack.enter_context(path.open("rb"))
            size = path.stat().st_size
            file, place = raw, raw
            if path.suffix == ".zip":
                archive = stack.enter_context(zipfile.ZipFile(raw))
                if len(archive.namelist()) != 1:
                    raise UserError(f"{path} holds {len(archive.namelist())} files; it must be one")
                size = archive.infolist()[0].file_size
                file = place = stack.enter_context(archive.open(archive.namelist()[0]))
            elif path.suffix in (".gz", ".bz2", ".xz"):
                opened: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
                file = stack.enter_context(opened[path.suffix](raw, "rb"))
            yield file, lambda: min(1.0, place.tell() / size) if size else 1.0
    except (OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be read: {reason}{searched(path)}") from None


def without_comments(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the text without blank lines and comments before its header.

    A first line with ``#`` is the header if it has as many fields as the next one.
    """
    lines = text.lstrip("\ufeff").split("\n", 20)
    count = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
    blank = all(not line.strip() for line in lines[:count])
    if count == 0 or blank:
        return "\n".join(lines[count:]), ()
    last, after = lines[count - 1], lines[count]
    if any(last.count(mark) == after.count(mark) > 0 for mark in _SEPARATORS):
        lines[count - 1] = last.lstrip("#")
        count -= 1
    if not any(line.strip() for line in lines[:count]):
        return "\n".join(lines[count:]), ()
    return "\n".join(lines[count:]), (f"{count} lines before the header are comments",)


@contextmanager
def longest_field(characters: int) -> Iterator[None]:
    """Let Python's reader of CSV take fields of so many characters; by default it takes 131,072."""
    before = csv.field_size_limit(characters)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def separator_of(text: str, target: str | None) -> tuple[str, str]:
    """Return the text, and the separator that divides its first lines in columns, as many in each."""
    first, _, rest = text.partition("\n")
    if (said := re.fullmatch(r'"?sep=(.)"?', first.strip("\r "))) is not None:
        return rest, said[1]
    head = "\n".join(text.split("\n", _FIRST_LINES)[:_FIRST_LINES])
    found: list[tuple[bool, bool, int, str]] = []
    for separator in _SEPARATORS:
        with longest_field(_ANY_LENGTH):
            rows = [row for row in csv.reader(io.StringIO(head, newline=""), delimiter=separator) if row]
        if rows and len(rows[0]) > 1:
            # The last row may be cut off within its quotes.
            widths = {len(row) for row in rows[:-1]} if len(rows) > 2 else {len(row) for row in rows}
            has = target in [name.strip() for name in rows[0]]
            found.append((has, len(widths) == 1, len(rows[0]), separator))
    return text, max(found, key=lambda each: each[:3])[3] if found else ","


def _rows(path: Path, text: str, separator: str, before: int) -> tuple[list[list[str]], list[int]]:
    """Return the rows that are not blank, and the line in which each ends."""
    # A row is a list, and Python would search all lists so far for circles again and again.
    collected = gc.isenabled()
    gc.disable()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows, numbers = [], []
    try:
        with longest_field(_ANY_LENGTH):
            for row in reader:
                if row and (len(row) > 1 or row[0].strip()):
                    rows.append(row)
                    numbers.append(reader.line_num + before)
    except csv.Error as error:
        line = reader.line_num + before
        raise UserError(f"{path} is not a CSV file: line {line}: {error}") from None
    finally:
        if collected:
            gc.enable()
    return rows, numbers


def check_width(path: Path | str, row: list[str], line: int, width: int) -> None:
    """Drop empty fields behind the last column; raise if a row has more or fewer fields than the header."""
    if len(row) > width and not any(text.strip() for text in row[width:]):
        del row[width:]
    if len(row) != width:
        raise UserError(
            f"{path} is not a CSV file: line {line} has {len(row)} fields and the header {width}; mend"
            " that line, or say separator= if columns are separated otherwise"
        )
