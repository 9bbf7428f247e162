"""Errors that the user can fix: one line that says what is wrong and what to do."""

from __future__ import annotations

import difflib
import functools
import os
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "DataWarning",
    "Note",
    "StorageError",
    "UserError",
    "chain",
    "check_whole",
    "nearest",
    "searched",
    "shortened",
    "warn_caller",
]


# Frames between a user's line and a warning: ours, and those of cached properties.
_BETWEEN = (f"{Path(__file__).parent}{os.sep}", functools.__file__)


class UserError(ValueError):
    """An error that the user can fix. The command line prints it as one line and exits with status 2."""


class Note(UserWarning):
    """A warning to the user. The command line prints it as one line that begins with "note:"."""


class DataWarning(Note):
    """A guess about data that may be wrong, and how to overrule it."""


class StorageError(UserError):
    """The storage is gone or fails while a study runs; the message says what was kept."""


def nearest(word: str, known: Iterable[str], called: str = "known:") -> str:
    """Return a hint for an unknown word: the most similar known word, or the list of all, ``called`` so."""
    known = sorted(map(str, known))
    same = [each for each in known if each.casefold() == word.casefold()]
    matches = same or difflib.get_close_matches(word, known, n=1)
    if matches:
        return f"did you mean {matches[0]!r}?"
    return f"{called} {', '.join(known)}"


def check_whole(called: str, least: int = 1, most: int | None = None, /, **numbers: object) -> None:
    """Raise unless the arguments ``numbers`` of what is ``called`` so are whole numbers in that range.

    Raises:
        UserError: With the first that is not, and the range.

    >>> check_whole("Measuring", batch=0)
    Traceback (most recent call last):
        ...
    optnas.errors.UserError: Measuring(batch=0): give a whole number of at least 1
    """
    for name, number in numbers.items():
        whole = isinstance(number, int) and not isinstance(number, bool)
        if not whole or number < least or (most is not None and number > most):  # type: ignore[operator]
            allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
            raise UserError(f"{called}({name}={number!r:.60}): give a whole number {allowed}")


def warn_caller(warning: Warning) -> None:
    """Issue a warning at the line of the user's that called optnas, however deep in it this is."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_BETWEEN):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(warning, stacklevel=depth)


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


def chain(error: BaseException) -> list[BaseException]:
    """Return an error and those that it came from, each once: a cause may have come from what it caused."""
    found = [error]
    while (next_ := found[-1].__cause__ or found[-1].__context__) is not None and next_ not in found:
        found.append(next_)
    return found
