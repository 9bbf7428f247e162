"""Workers, their claims on trials, and whether a claim's worker is still alive."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import psutil
from optuna.trial import FrozenTrial

from optnas.errors import StorageError
from optnas.trials.record import WORKER

__all__ = ["Heartbeat", "Worker", "claim_on", "is_dead"]

# A worker on another machine cannot be inspected: it is taken for dead after this many missed beats.
BEAT_SECONDS = 30.0
_MISSED_BEATS = 5


@dataclasses.dataclass(frozen=True)
class Worker:
    """A process that runs trials.

    Attributes:
        host: The machine, and the process namespace on it.
        pid: Its process id there.
        born: When that process started, in seconds since the epoch: process ids are used again.
    """

    host: str
    pid: int
    born: float

    @classmethod
    @cache
    def here(cls, pid: int) -> Worker:
        """Return the worker of this process, whose process id is ``pid``."""
        return cls(_host(), pid, round(psutil.Process(pid).create_time(), 2))

    def claim(self, attempt: int, rungs: int = 0) -> dict[str, Any]:
        """Return this worker's claim, as a trial's record has it while the worker runs the trial.

        Args:
            attempt: Number of the attempt since the trial last reached another rung, from 1.
            rungs: Number of rungs that the trial has reached.
        """
        seen = round(time.time(), 1)
        return {**dataclasses.asdict(self), "attempt": attempt, "rungs": rungs, "seen": seen}

    def owns(self, claim: Mapping[str, Any]) -> bool:
        """Return whether ``claim`` was made by this worker."""
        return all(claim.get(name) == value for name, value in dataclasses.asdict(self).items())


def claim_on(trial: FrozenTrial) -> dict[str, Any] | None:
    """Return the claim on ``trial``; ``None`` if no worker of optnas made one."""
    claim = WORKER.of(trial)
    return claim if isinstance(claim, dict) and "pid" in claim else None


def is_dead(claim: dict[str, Any]) -> bool:
    """Return whether the worker that made ``claim`` is dead, or is taken for dead."""
    if claim["host"] != _host():
        return bool(time.time() - claim["seen"] > BEAT_SECONDS * _MISSED_BEATS)
    try:
        process = psutil.Process(claim["pid"])
        alive = process.status() != psutil.STATUS_ZOMBIE
        return not alive or abs(process.create_time() - claim["born"]) > 1
    except psutil.NoSuchProcess:
        return True


class Heartbeat:
    """A thread that calls ``beat`` regularly while a worker runs, to renew its claim for other machines."""

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            # What is wrong with the storage is told by the thread that runs the trial.
            with contextlib.suppress(StorageError, KeyError):
                self._beat()


@cache
def _host() -> str:
    try:
        # Containers of one machine may share its name but not its process ids.
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return f"{socket.gethostname()} {namespace}".strip()
