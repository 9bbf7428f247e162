"""Errors that the user can fix: one line that says what is wrong and what to do."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["DataWarning", "Note", "StorageError", "UserError", "nearest", "searched", "shortened"]


class UserError(ValueError):
    """An error that the user can fix. The command line prints it as one line and exits with status 2."""


class Note(UserWarning):
    """A warning to the user. The command line prints it as one line that begins with "note:"."""


class DataWarning(Note):
    """A guess about data that may be wrong, and how to overrule it."""


class StorageError(UserError):
    """The storage is gone or fails while a study runs; the message says what was kept."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown word: the most similar known word, or the list of all."""
    known = sorted(map(str, known))
    same = [each for each in known if each.casefold() == word.casefold()]
    matches = same or difflib.get_close_matches(word, known, n=1)
    if matches:
        return f"did you mean {matches[0]!r}?"
    return "known: " + ", ".join(known)


def searched(path: str | Path) -> str:
    """Return in which folder a relative path was searched, to be put behind it; nothing for others."""
    return "" if os.path.isabs(os.path.expanduser(path)) else f" (in the folder {Path.cwd()})"


def shortened(message: str, most: int = 300) -> str:
    """Return a message that has more than ``most`` characters, as strangers' texts may, without its middle.

    >>> shortened("no column '" + "a" * 1000 + "': add it", 30)
    "no column 'aaaaaaaa…a': add it"
    """
    end = most // 3
    return message if len(message) <= most else f"{message[: most - end - 1]}…{message[-end:]}"
