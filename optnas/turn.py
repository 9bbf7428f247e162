"""The turn of a process: of threads that train at once, one at a time has it.

PyTorch has one default random generator for each device and one set of flags in a process. So a thread that
trains beside others is a *lane* (:mod:`optnas.train.lanes`): while it has the turn, these are its own, and
whatever it does to the whole process happens in its turn, code of someone's own included.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = [
    "Own",
    "enter",
    "forget",
    "is_lane",
    "kept",
    "leave",
    "lent",
    "lent_for",
    "pass_on",
    "shared_turn",
    "turn",
]

# As long as Python lets a thread run while others wait (sys.getswitchinterval).
_SLICE_SECONDS = 0.005


class Own(Protocol):
    """State of the process that each lane has for its own."""

    def keep(self) -> None:
        """Keep the state of the process, as another lane gets the turn."""

    def install(self) -> None:
        """Give the process the state that was kept."""


class _Turn:
    """The turn of a process: lanes that wait for it get it in the order in which they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False
        self._installed: Own | None = None

    @property
    def wanted(self) -> bool:
        """Whether a lane waits for it."""
        return bool(self._waiting)

    def take(self, own: Own) -> None:
        with self._lock:
            mine = threading.Event() if self._taken else None
            if mine is not None:
                self._waiting.append(mine)
            self._taken = True
        if mine is not None:
            mine.wait()
        self.install(own)

    def install(self, own: Own) -> None:
        """Give the process the state of whoever has the turn."""
        if self._installed is not own:
            if self._installed is not None:
                self._installed.keep()
            own.install()
            self._installed = own

    def give(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False

    def forget(self, own: Own) -> bool:
        """Forget the state of a lane that has ended; return whether the process has it now."""
        with self._lock:
            has = self._installed is own
            if has:
                self._installed = None
            return has


_turn = _Turn()


class _Lane(threading.local):
    """The lane of this thread."""

    own: Own | None = None
    shared: Own | None = None
    has_turn = False
    keeps = False
    since = 0.0


_here = _Lane()


def enter(own: Own, shared: Own) -> None:
    """Make this thread a lane, until :func:`leave` is called.

    Args:
        own: Its own state of the process.
        shared: The state that the lanes have in common, for :func:`shared_turn`.
    """
    _here.own, _here.shared = own, shared


def leave() -> None:
    """Let this thread be a lane no more."""
    if _here.own is not None:
        _turn.forget(_here.own)
        _here.own = _here.shared = None


def forget(shared: Own) -> bool:
    """Forget the state that lanes had in common, as all have left; return whether the process has it now."""
    return _turn.forget(shared)


def is_lane() -> bool:
    """Return whether this thread is a lane."""
    return _here.own is not None


@contextmanager
def turn() -> Iterator[None]:
    """Have the turn inside the context, but where it is lent or passed on; outside of lanes do nothing."""
    if _here.own is None or _here.has_turn:
        yield
        return
    _take()
    try:
        yield
    finally:
        _give()


@contextmanager
def shared_turn() -> Iterator[None]:
    """Have the turn inside the context, with the state that lanes have in common in place of this lane's."""
    own, shared = _here.own, _here.shared
    if own is None or shared is None:
        yield
        return
    _here.own = shared
    if _here.has_turn:
        _turn.install(shared)
    try:
        with turn():
            yield
    finally:
        _here.own = own
        if _here.has_turn:
            _turn.install(own)


def pass_on() -> None:
    """Pass the turn on if a lane waits for it and this one had it for some milliseconds."""
    if (
        _here.has_turn
        and not _here.keeps
        and _turn.wanted
        and time.perf_counter() - _here.since > _SLICE_SECONDS
    ):
        _give()
        _take()


@contextmanager
def lent() -> Iterator[None]:
    """Lend the turn to others while this lane waits for something, such as the GPU or the storage."""
    if not _here.has_turn or _here.keeps:
        yield
        return
    _give()
    try:
        yield
    finally:
        _take()


@contextmanager
def lent_for(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock inside the context; the turn is lent until it is free, as its holder may wait for that."""
    with lent():
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def kept() -> Iterator[None]:
    """Have the turn and keep it inside the context, where this lane is measured: no other one runs meanwhile.

    Nothing in it may wait for another lane.
    """
    with turn():
        before, _here.keeps = _here.keeps, True
        try:
            yield
        finally:
            _here.keeps = before


def _take() -> None:
    assert _here.own is not None
    _turn.take(_here.own)
    _here.has_turn, _here.since = True, time.perf_counter()


def _give() -> None:
    _here.has_turn = False
    _turn.give()
