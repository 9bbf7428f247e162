"""Workers, their claims on trials, and whether a claim's worker is still alive.

No clocks of two machines are compared. A worker renews its claims by a count of beats; whoever sees one
unchanged for the time of a lease takes the trial over. So does Kubernetes' leader election.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from optuna.trial import FrozenTrial

from optnas.storages.waiting import now
from optnas.trials.optuna_internals import id_of
from optnas.trials.processes import has_ended, machine, start_of
from optnas.trials.record import WORKER
from optnas.trials.under_way import BEAT_SECONDS

__all__ = [
    "BEAT_SECONDS",
    "LEASE_SECONDS",
    "Heartbeat",
    "Observer",
    "Worker",
    "claim_on",
    "is_gone",
    "is_gone_with_its_run",
]

LEASE_SECONDS = 60.0
# Whoever did not look for so long, as it stood still or the storage was away, begins to observe anew:
# others could not renew their claims then, either.
_LONGEST_GAP = 3 * BEAT_SECONDS

# The UUIDs of the workers of this process.
_working: set[str] = set()


@dataclasses.dataclass(frozen=True)
class Worker:
    """Whoever runs trials, one at a time.

    Attributes:
        worker: A UUID.
        host: Name of its machine, for people: several machines may have the same.
        machine: The boot of its machine and the process namespace there; processes of equal ones see
            each other.
        pid: Its process id there.
        started: When that process started, in ticks since the boot: process ids are used again, and
            the clock may be set.
        parent: The process id of the run that started it and replaces it if it dies, and
        parent_started: when that started; 0 if there is none.
    """

    worker: str
    host: str
    machine: str
    pid: int
    started: float
    parent: int = 0
    parent_started: float = 0.0

    @classmethod
    def here(cls, parent: int = 0) -> Worker:
        """Return a new worker in this process, which the process ``parent`` has started."""
        started = start_of(os.getpid()) or 0.0
        of_parent = (start_of(parent) if parent else None) or 0.0
        here = uuid.uuid4().hex, socket.gethostname(), machine(), os.getpid(), started
        worker = cls(*here, parent, of_parent)
        _working.add(worker.worker)
        return worker

    def ends(self) -> None:
        """Note that it runs no more trials, while its process may go on, as a notebook's does."""
        _working.discard(self.worker)


def claim_on(trial: FrozenTrial) -> dict[str, Any] | None:
    """Return the claim on ``trial``; ``None`` if no worker of optnas made one."""
    claim = WORKER.of(trial)
    return claim if isinstance(claim, dict) and "pid" in claim else None


def is_gone(claim: Mapping[str, Any]) -> bool:
    """Return whether the worker that made ``claim`` ran on this machine and does not any more."""
    if claim.get("machine") != machine():
        return False
    if claim["pid"] == os.getpid() and claim.get("worker") not in _working:
        return True
    return has_ended(claim["pid"], claim.get("started"))


def is_gone_with_its_run(claim: Mapping[str, Any]) -> bool:
    """Return whether the worker that made ``claim``, and the run that started it, are gone from here."""
    parent = claim.get("parent", 0)
    return bool(parent) and is_gone(claim) and has_ended(parent, claim.get("parent_started"))


class Observer:
    """Notes for how long this process has seen each claim unchanged."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Mapping[str, Any], float]] = {}
        self._looked = 0.0
        self._lock = threading.Lock()

    def look(self, trials: Iterable[FrozenTrial]) -> None:
        """Note the claims on all running trials, as they were read just now."""
        with self._lock:
            at, before = now(), self._seen
            if at - self._looked > _LONGEST_GAP:
                before = {}
            self._looked, self._seen = at, {}
            for trial in trials:
                claim = claim_on(trial)
                if claim is not None:
                    old = before.get(id_of(trial))
                    self._seen[id_of(trial)] = old if old is not None and old[0] == claim else (claim, at)

    def has_expired(self, trial: FrozenTrial) -> bool:
        """Return whether the claim on ``trial`` was not renewed for the time of a lease."""
        with self._lock:
            seen = self._seen.get(id_of(trial))
            return seen is not None and self._looked - seen[1] >= LEASE_SECONDS


class Heartbeat:
    """A thread that calls ``beat`` regularly while a worker runs, whatever becomes of single calls."""

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
            with contextlib.suppress(Exception):
                self._beat()
