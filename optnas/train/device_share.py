"""Shared and exclusive use of a GPU by the trainings of several processes.

It uses locks on files of this machine, which the operating system releases however a process ends. Each
training holds one of many slots. A training that needs the GPU to itself takes all slots: it releases its
own, locks the gate that every training passes to get a slot, and waits until the others have ended. A
training that waits for the gate holds no lock, so there is no deadlock.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import torch
from filelock import FileLock, Timeout

from optnas.train.lanes import is_lane, lent, turn

__all__ = ["Place", "place_on"]

# Further trainings on the same GPU wait for a free slot.
_SLOTS = 64
_POLL_SECONDS = 0.05


class Place:
    """Context manager for shared use of a device, which :meth:`alone` makes exclusive.

    Args:
        name: The name of its locks, equal for all who share the device; ``None`` if nobody else uses it.
        folder: The folder of its lock files; by default the system's folder for temporary files.
        clear: Frees the memory that this process holds and does not use; called in a lane's turn, as no
            other lane may record a CUDA graph meanwhile.

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
            # Memory left by an earlier training may be what another process's exclusive training lacks.
            with turn():
                self._clear()
            with lent(), self._gate:
                self._take_any()
        return self

    def alone(self) -> None:
        """Wait until no other training uses the device, and keep others out until this context ends."""
        if self._gate is None or self._gate in self._held:
            return
        started = time.perf_counter()
        self._release()
        with lent():  # the others may be lanes of this process
            for lock in (self._gate, *self._slots):
                lock.acquire()
                self._held.append(lock)
        self.waited += time.perf_counter() - started

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._gate is not None:
                traceback.clear_frames(trace)  # their variables hold the memory of a failed training
                with turn(), contextlib.suppress(RuntimeError):  # of a GPU that is broken
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
    """Return a training's :class:`Place` on ``device``.

    This user's other processes share a GPU, and lanes of this process the CPU.
    """
    user = getattr(os, "getuid", lambda: "user")()
    if device.type != "cuda":
        return Place(f"optnas-training-{user}-process-{os.getpid()}") if is_lane() else Place()
    card = torch.cuda.get_device_properties(device).uuid  # processes may number GPUs differently
    return Place(f"optnas-training-{user}-{card}", clear=torch.cuda.empty_cache)
