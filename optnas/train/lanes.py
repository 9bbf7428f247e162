"""Lanes: trainings at once in one process, each in a thread of its own, and on CUDA in a stream of its own.

One lane at a time has the *turn* (:mod:`optnas.turn`): while it has it, the random generators and flags of
the process are its own, and Python launches its work. It passes the turn on between two steps, every few
milliseconds, and lends it while it waits. Each training draws the very numbers that it would draw alone, and
whatever it does to the whole process happens in its turn.

A GPU works on what was launched meanwhile, of all lanes at once: in a few milliseconds Python launches tens
of steps that are CUDA graphs. On the CPU trainings take turns and become no faster.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from optnas.own_code import Flags
from optnas.train.precision import tf32_flags
from optnas.turn import enter, forget, is_lane, leave, lent, pass_on, turn

__all__ = ["await_gpu", "in_lane", "is_lane", "lane_stream", "lent", "pass_on", "turn"]


class _State:
    """The random generators of the CPU and the flags of the process, as they are now."""

    def __init__(self) -> None:
        self._torch = torch.get_rng_state()
        # PyTorch's generators are seeded for each trial; these only by code of someone's own.
        self._python, self._numpy = random.getstate(), np.random.get_state()
        self._flags = Flags()
        self._precision = [(owner, name, getattr(owner, name)) for owner, name in tf32_flags()]

    def install(self) -> None:
        """Give the process this state."""
        torch.set_rng_state(self._torch)
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        self._flags.install()
        for owner, name, value in self._precision:
            setattr(owner, name, value)


class _Own:
    """State of a process that each lane has for its own: random generators, precision and other flags.

    Args:
        device: The device of the lane.
        state: The state that it begins with.
    """

    def __init__(self, device: torch.device, state: _State) -> None:
        self._state = state
        self._cuda: Any = None
        self._default: Any = None
        if device.type == "cuda":
            index = torch.cuda.current_device() if device.index is None else device.index
            self._default = torch.cuda.default_generators[index]
            self._cuda = self._default.clone_state()

    def keep(self) -> None:
        # CUDA's default generator has the lane's state itself, as graphs do, and not a copy of it.
        self._state = _State()

    def install(self) -> None:
        self._state.install()
        if self._cuda is not None:
            self._default.graphsafe_set_state(self._cuda)


class _Process:
    """The state of the process before the first lane began: each begins with it.

    They have one in common that began with it, too, for what runs between trainings; the last leaves that.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes = 0
        self._before: _State | None = None
        self._shared: _Own | None = None

    def enter(self, device: torch.device) -> tuple[_Own, _Own]:
        """Return the state of a new lane, and the one that lanes have in common."""
        with self._lock:
            # Not that of now: another lane may have set flags for its own training.
            self._before = self._before or _State()
            self._shared = self._shared or _Own(device, self._before)
            self._lanes += 1
            return _Own(device, self._before), self._shared

    def leave(self) -> None:
        with self._lock:
            self._lanes -= 1
            if not self._lanes and self._shared is not None:
                if not forget(self._shared):
                    self._shared.install()
                self._before = self._shared = None


_process = _Process()


class _Lane(threading.local):
    """The lane of this thread."""

    stream: Any = None


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
        enter(*_process.enter(device))
        try:
            yield
        finally:
            leave()
            _process.leave()
            _here.stream = None


def lane_stream() -> Any:
    """Return the CUDA stream of this thread's lane; ``None`` outside of lanes."""
    return _here.stream


def await_gpu() -> None:
    """Wait until the GPU has done what this lane launched, and lend the turn meanwhile.

    To be called before results are read, which would wait with the turn. Outside of lanes do nothing.
    """
    if _here.stream is not None:
        with lent():
            _here.stream.synchronize()
