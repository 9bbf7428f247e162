"""Lanes: trainings at once in one process, each in a thread of its own, and on CUDA in a stream of its own.

PyTorch has one default random generator for each device and one set of precision flags in a process. So one
lane at a time has the *turn*: while it has it, these are its own, and Python launches its work. It passes
the turn on between two steps, every few milliseconds, and lends it while it waits. Each training draws the
very numbers that it would draw alone, and whatever it does to the whole process happens in its turn.

A GPU works on what was launched meanwhile, of all lanes at once: in a few milliseconds Python launches tens
of steps that are CUDA graphs. On the CPU trainings take turns and become no faster.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from optnas.train.precision import tf32_flags

__all__ = ["await_gpu", "in_lane", "is_lane", "lane_stream", "lent", "pass_on", "turn"]

# As long as Python lets a thread run while others wait (sys.getswitchinterval).
_SLICE_SECONDS = 0.005


class _Own:
    """State of a process that each lane has for its own: random generators and precision flags."""

    def __init__(self, device: torch.device) -> None:
        self._cuda: Any = None
        self._default: Any = None
        if device.type == "cuda":
            index = torch.cuda.current_device() if device.index is None else device.index
            self._default = torch.cuda.default_generators[index]
            self._cuda = self._default.clone_state()
        self.keep()

    def keep(self) -> None:
        # CUDA's default generator has the lane's state itself, as graphs do, and not a copy of it.
        self._cpu = torch.get_rng_state()
        self._flags = [(owner, name, getattr(owner, name)) for owner, name in tf32_flags()]

    def install(self) -> None:
        torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            self._default.graphsafe_set_state(self._cuda)
        for owner, name, value in self._flags:
            setattr(owner, name, value)


class _Turn:
    """The turn of a process: lanes that wait for it get it in the order in which they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False
        self._installed: _Own | None = None

    @property
    def wanted(self) -> bool:
        """Whether a lane waits for it."""
        return bool(self._waiting)

    def take(self, own: _Own) -> None:
        with self._lock:
            mine = threading.Event() if self._taken else None
            if mine is not None:
                self._waiting.append(mine)
            self._taken = True
        if mine is not None:
            mine.wait()
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

    def forget(self, own: _Own) -> None:
        """Forget a lane that has ended."""
        with self._lock:
            if self._installed is own:
                self._installed = None


_turn = _Turn()


class _Lane(threading.local):
    """The lane of this thread."""

    own: _Own | None = None
    stream: Any = None
    has_turn = False
    since = 0.0


_here = _Lane()


@contextmanager
def in_lane(device: torch.device) -> Iterator[None]:
    """Make this thread a lane inside the context: its trainings on ``device`` run beside those of others.

    What lanes share, such as the data on the device, must be there before they begin.
    """
    with contextlib.ExitStack() as stack:
        if device.type == "cuda":
            stack.enter_context(torch.cuda.device(device))
            stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            stack.enter_context(torch.cuda.stream(stream))
            _here.stream = stream
        _here.own = _Own(device)
        try:
            yield
        finally:
            _turn.forget(_here.own)
            _here.own = _here.stream = None


def is_lane() -> bool:
    """Return whether this thread is a lane."""
    return _here.own is not None


def lane_stream() -> Any:
    """Return the CUDA stream of this thread's lane; ``None`` outside of lanes."""
    return _here.stream


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


def pass_on() -> None:
    """Pass the turn on if a lane waits for it and this one had it for some milliseconds."""
    if _here.has_turn and _turn.wanted and time.perf_counter() - _here.since > _SLICE_SECONDS:
        _give()
        _take()


@contextmanager
def lent() -> Iterator[None]:
    """Lend the turn to others while this lane waits for something, such as the GPU or the storage."""
    if not _here.has_turn:
        yield
        return
    _give()
    try:
        yield
    finally:
        _take()


def await_gpu() -> None:
    """Wait until the GPU has done what this lane launched, and lend the turn meanwhile.

    To be called before results are read, which would wait with the turn. Outside of lanes do nothing.
    """
    if _here.stream is not None:
        with lent():
            _here.stream.synchronize()


def _take() -> None:
    assert _here.own is not None
    _turn.take(_here.own)
    _here.has_turn, _here.since = True, time.perf_counter()


def _give() -> None:
    _here.has_turn = False
    _turn.give()
