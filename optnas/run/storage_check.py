"""Check of a storage for ``optnas doctor``: schema, clock, latency of a write, locks, workers it suits."""

from __future__ import annotations

import statistics
import threading
import time
import uuid
from collections.abc import Callable

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from sqlalchemy import text

from optnas.storages.database import Database
from optnas.storages.journal import GuardedJournal
from optnas.storages.lock import study_lock
from optnas.storages.waiting import impatient
from optnas.trials.optuna_internals import backend_of

__all__ = ["check_storage"]

_WRITES = 9
_TRIAL_SECONDS = 10
# Writes of a trial that no other worker's go beside: those under the study's lock, or all where the storage
# takes one write at a time.
_SERIAL_WRITES = {True: 16, False: 4}
_SLOW_SECONDS = 0.25

Row = tuple[str, str, bool]


def check_storage(storage: BaseStorage) -> list[Row]:
    """Return rows: subject, finding, and whether it is good.

    A study is created for it, and deleted again.

    Raises:
        StorageError: If the storage fails meanwhile.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    backend = backend_of(storage)
    rows: list[Row] = []
    if isinstance(backend, Database):
        current, head = backend.get_current_version(), backend.get_head_version()
        rows.append(
            ("schema", f"{current}" if current == head else f"{current}, not {head}", current == head)
        )
    offset = _clock_offset(backend)
    if offset is not None:
        rows.append(("clock", f"{offset:+.1f} s from here (claims do not go by it)", True))
    with impatient(storage):
        name = f"optnas-doctor-{uuid.uuid4().hex[:12]}"
        study = storage.create_new_study([StudyDirection.MINIMIZE], name)
        try:
            latency = statistics.median(
                _timed(lambda: storage.set_study_user_attr(study, "write", time.time_ns()))
                for _ in range(_WRITES)
            )
            locks = _locks_work(storage, name)
        finally:
            storage.delete_study(study)
    rows.append(("a write", f"{1000 * latency:.1f} ms (median of {_WRITES})", latency < _SLOW_SECONDS))
    rows.append(("locks", "work" if locks else "do not hold: totals of trials may not be exact", locks))
    one_at_a_time = isinstance(backend, GuardedJournal) or (
        isinstance(backend, Database) and backend.path is not None
    )
    most = max(1, int(_TRIAL_SECONDS / (_SERIAL_WRITES[one_at_a_time] * latency)))
    here = " on this machine" if isinstance(backend, Database) and backend.path is not None else ""
    rows.append(("suits", f"about {most} workers{here} with trials of {_TRIAL_SECONDS} s", True))
    return rows


def _timed(operation: Callable[[], None]) -> float:
    began = time.perf_counter()
    operation()
    return time.perf_counter() - began


def _clock_offset(backend: BaseStorage) -> float | None:
    """Return how many seconds the server's clock is ahead of this machine's; ``None`` if it has none."""
    ask: Callable[[], float]
    if isinstance(backend, Database) and backend.path is None:
        postgresql = backend.engine.dialect.name == "postgresql"
        question = "extract(epoch FROM clock_timestamp())" if postgresql else "UNIX_TIMESTAMP(SYSDATE(6))"

        def ask() -> float:
            with backend.engine.connect() as connection:
                return float(connection.execute(text(f"SELECT {question}")).scalar() or 0)

    elif isinstance(backend, GuardedJournal) and hasattr(backend.backend, "client"):
        client = backend.backend.client

        def ask() -> float:
            seconds, microseconds = client.time()
            return float(seconds + microseconds / 1e6)

    else:
        return None
    backend.guard(ask)  # connects
    began = time.time()
    there = backend.guard(ask)
    return there - (began + time.time()) / 2


def _locks_work(storage: BaseStorage, name: str) -> bool:
    """Return whether the lock of a study keeps a second one out, and lets it in at the end."""
    got = threading.Event()

    def second() -> None:
        with study_lock(storage, name):
            got.set()

    with study_lock(storage, name) as lock:
        thread = threading.Thread(target=second, daemon=True)
        thread.start()
        held = not got.wait(0.3) and lock.held()
    thread.join(10)
    return held and got.is_set()
