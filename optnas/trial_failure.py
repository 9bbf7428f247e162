"""Errors that fail a trial, in words: its reason in one line, and the user's part of its traceback."""

from __future__ import annotations

import traceback
from pathlib import Path

from optnas.errors import UserError
from optnas.space import OpError, UncountableError
from optnas.space.source import place_of, users_frames

__all__ = ["in_words", "mistake_of", "users_traceback"]

_PACKAGE = Path(__file__).parent
# Whoever reads a traceback wants the user's lines; libraries call each other dozens deep.
_MOST_FRAMES = 12
_MOST_CHARACTERS = 4_000


def in_words(error: BaseException) -> str:
    """Return an exception as one line that says where it happened."""
    if isinstance(error, UserError | UncountableError):
        return str(error)
    reason = f"{type(error).__name__}: {error}".strip().split("\n")[0]
    place = (_users_frames(error) or traceback.extract_tb(error.__traceback__))[-1]
    return reason + (place_of(error) or f" ({Path(place.filename).name}:{place.lineno})")


def users_traceback(error: BaseException) -> str:
    """Return the user's frames of an exception's traceback, the last lines of a long one."""
    frames = _users_frames(error) or list(traceback.extract_tb(error.__traceback__))
    lines = traceback.format_list(frames[-_MOST_FRAMES:]) + traceback.format_exception_only(error)
    return "".join(lines).rstrip()[-_MOST_CHARACTERS:]


def _users_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the user's frames of a traceback; of a mistake in an op, those of its cause.

    If there are none, those outside optnas.
    """
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if _PACKAGE not in Path(frame.filename).parents]
    if not outside and error.__cause__ is not None:
        return _users_frames(error.__cause__)
    return users_frames(error) or outside


def mistake_of(error: OpError) -> Exception:
    """Return what an op of the user's own raised; of one that cannot be counted the error that says so."""
    cause = error.__cause__
    return cause if isinstance(cause, Exception) and not isinstance(error, UncountableError) else error
