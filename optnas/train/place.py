"""A training's place on a GPU that trainings of other processes share, and how to have it alone.

By locks on files of this machine, which the system lets go of whatever becomes of a process. Each
training holds one of many slots. One that wants to be alone holds them all: it gives up its own, closes
the gate that everyone comes in by, and waits until the others are through. Whoever waits for the gate
holds nothing, so nobody waits for each other in a circle.
"""

from __future__ import annotations

import os
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import torch
from filelock import FileLock, Timeout

__all__ = ["Place", "place_on"]

# More trainings on one GPU wait for their turn.
_SLOTS = 64
_POLL_SECONDS = 0.05


class Place:
    """A place that others share while within; without a name nobody does.

    Args:
        name: What all who share it call it.
        folder: Where its locks are.
        clear: Gives back what this process holds and does not use.

    Attributes:
        waited: Seconds spent in :meth:`alone`.
    """

    def __init__(
        self,
        name: str | None = None,
        folder: Path | None = None,
        clear: Callable[[], None] = lambda: None,
    ) -> None:
        folder = folder or Path(tempfile.gettempdir())
        self._clear = clear
        self._gate = None if name is None else FileLock(folder / f"{name}-gate.lock")
        self._slots = [] if name is None else [FileLock(folder / f"{name}-{i}.lock") for i in range(_SLOTS)]
        self._held: list[FileLock] = []
        self.waited = 0.0

    def __enter__(self) -> Place:
        if self._gate is not None:
            # What an earlier training has left may be what the one who is alone in here lacks.
            self._clear()
            with self._gate:
                self._take_any()
        return self

    def alone(self) -> None:
        """Wait until nobody else is here, and let nobody in until the end."""
        if self._gate is None or self._gate in self._held:
            return
        started = time.perf_counter()
        self._release()
        for lock in (self._gate, *self._slots):
            lock.acquire()
            self._held.append(lock)
        self.waited += time.perf_counter() - started

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._gate is not None:
                traceback.clear_frames(trace)  # whose variables hold a training that was given up
                self._clear()
        finally:
            self._release()

    def _take_any(self) -> None:
        while True:
            for slot in self._slots:
                try:
                    slot.acquire(timeout=0)
                except Timeout:
                    continue
                self._held.append(slot)
                return
            time.sleep(_POLL_SECONDS)

    def _release(self) -> None:
        while self._held:
            self._held.pop().release()


def place_on(device: torch.device) -> Place:
    """Return the place of a training on ``device``: a GPU is shared with this user's other processes."""
    if device.type != "cuda":
        return Place()
    user = getattr(os, "getuid", lambda: "user")()
    card = torch.cuda.get_device_properties(device).uuid  # processes may number GPUs differently
    return Place(f"optnas-training-{user}-{card}", clear=torch.cuda.empty_cache)
