"""Code that signals do not interrupt halfway, as an operation of a storage.

Interrupted in the middle of one, a file stays locked, or half of what was read is taken for all: then what
this process holds cannot be put back. So :func:`interrupt`, which signal handlers call, waits for its end.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["interrupt", "interrupt_in", "interruptible", "lasts", "whole"]

# One that takes longer, as with a server that does not answer, is interrupted where it is.
_LONGEST_SECONDS = 3.0


class _Thread(threading.local):
    """State of this thread, as signal handlers run in the main thread and mean its own."""

    inside = False
    due = False


class _Main:
    """When what is whole began in the main thread, for others that watch it; ``None`` outside."""

    since: float | None = None


_here, _main = _Thread(), _Main()


def lasts(since: float) -> float:
    """Return for how many seconds the main thread is in one thing that is whole, counted from ``since`` on.

    Args:
        since: A time of ``time.monotonic()``.
    """
    began = _main.since
    return 0.0 if began is None else time.monotonic() - max(began, since)


def interrupt(*_: Any) -> None:
    """Raise ``KeyboardInterrupt``: at once, or at the end of what is :func:`whole`.

    That is in the main thread, where signal handlers run. What takes more than three seconds longer is
    interrupted where it is.
    """
    if _here.inside and not _here.due:
        _here.due = True
        interrupt_in(_LONGEST_SECONDS)
    else:
        raise KeyboardInterrupt


@contextmanager
def whole() -> Iterator[None]:
    """Let no :func:`interrupt` take effect inside this context, but at its end.

    Raises:
        KeyboardInterrupt: If there was one, however the context ended.
    """
    if _here.inside:
        yield
        return
    _set_inside(True)
    try:
        yield
    except Exception as error:
        if _ended():
            raise KeyboardInterrupt from error
        raise
    except BaseException:
        _ended()
        raise
    if _ended():
        raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[None]:
    """Let :func:`interrupt` take effect at once again inside this context, which waits for something.

    Raises:
        KeyboardInterrupt: If there was one before.
    """
    inside = _here.inside
    if inside and _here.due:
        raise KeyboardInterrupt
    _set_inside(False)
    try:
        yield
    finally:
        _set_inside(inside)


def _ended() -> bool:
    """End what is whole; return whether it is to be interrupted."""
    _set_inside(False)
    due, _here.due = _here.due, False
    if due:
        interrupt_in(0)
    return due


def _set_inside(inside: bool) -> None:
    _here.inside = inside
    if threading.current_thread() is threading.main_thread():
        _main.since = time.monotonic() if inside else None


def interrupt_in(seconds: float) -> None:
    """Call :func:`interrupt` after so many seconds, in place of any other time; with 0, never.

    Only the main thread can, and not on Windows.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, seconds)
