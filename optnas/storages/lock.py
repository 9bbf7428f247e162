"""Lock of a study, over all processes and machines that share its storage."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from optnas.interrupts.whole import interruptible, whole
from optnas.shown import notice
from optnas.storages.database import Database
from optnas.storages.journal import GuardedJournal, Journal
from optnas.storages.proxy import Proxy
from optnas.trials.optuna_internals import backend_of

if TYPE_CHECKING:
    from optnas.storages.redis_journal import RedisJournal

__all__ = ["Lock", "study_lock"]

_QUIET_SECONDS = 10
# It is asked for often at first: it is held for milliseconds by those who claim trials.
_SOON_SECONDS, _SOON_PAUSE, _PAUSE = 1.0, 0.005, 0.05
_NOT_AVAILABLE = "55P03"  # PostgreSQL: lock_timeout has passed
# Redis does not see that a holder was killed, as other servers do by its connection: all would wait for it.
_REDIS_SECONDS = 6.0


class Lock:
    """The lock of a study while it is held.

    Args:
        held: Returns whether it is still this process's: a holder that did not move for half a minute loses
            it, but for one that is a file.
    """

    def __init__(self, held: Callable[[], bool] = lambda: True) -> None:
        self.held = held


@contextlib.contextmanager
def study_lock(storage: BaseStorage, study: str) -> Iterator[Lock]:
    """Hold the lock of a study while inside the context.

    It is an advisory lock in a PostgreSQL, MySQL or Redis server, a file beside an SQLite database or a
    journal, and for a proxy the lock of the database behind it. It ends with its process. Signals interrupt
    the wait for it at once, and what is done inside at its end (:func:`~optnas.interrupts.whole.whole`).

    Args:
        storage: The study's storage; for one that optnas did not open it is a file of this machine.
        study: The study's name.

    Raises:
        StorageError: If the storage is away for longer than its patience.
    """
    with whole(), _lock(backend_of(storage), study) as lock:
        yield lock


def _lock(backend: BaseStorage, study: str) -> contextlib.AbstractContextManager[Lock]:
    token = hashlib.blake2b(study.encode(), digest_size=7).hexdigest()
    if isinstance(backend, Database):
        if backend.engine.dialect.name == "postgresql":
            return _postgresql(backend, int(token, 16))
        if backend.engine.dialect.name in ("mysql", "mariadb"):
            return _mysql(backend, study)
        if backend.path is not None:
            return _file(Path(f"{backend.path}.lock"), backend.guard)
    if isinstance(backend, GuardedJournal):
        if isinstance(backend.backend, Journal):
            # Beside the one that Optuna's journal itself takes for each record.
            return _file(Path(f"{backend.backend.path}.study.lock"), backend.guard)
        return _redis(backend, token)
    if isinstance(backend, Proxy):
        return _proxy(backend, study, token)
    return _file(_local_file(token))


@contextlib.contextmanager
def _postgresql(database: Database, token: int) -> Iterator[Lock]:
    connection = database.guard(_acquire_postgresql, database.engine, token)
    try:
        yield Lock(lambda: _answers(connection, "SELECT 1", {}))
    finally:
        # It ends with the transaction, and if that cannot be ended, the server does so.
        _close(connection)


def _acquire_postgresql(engine: Engine, token: int) -> Connection:
    while True:
        connection = engine.connect()
        try:
            with interruptible():
                connection.execute(text("SELECT pg_advisory_xact_lock(:token)"), {"token": token})
        except DBAPIError as error:
            _close(connection)
            if _NOT_AVAILABLE not in (
                getattr(error.orig, "sqlstate", None),
                getattr(error.orig, "pgcode", None),
            ):
                raise
        except BaseException:
            connection.invalidate()
            raise
        else:
            return connection


@contextlib.contextmanager
def _mysql(database: Database, study: str) -> Iterator[Lock]:
    # Locks are the server's, not the database's, and have names of at most 64 characters.
    of = f"{database.engine.url.database}/{study}"
    name = {"name": f"optnas-{hashlib.blake2b(of.encode(), digest_size=20).hexdigest()}"}
    connection = database.guard(_acquire_mysql, database.engine, name)
    try:
        yield Lock(lambda: _answers(connection, "SELECT IS_USED_LOCK(:name) = CONNECTION_ID()", name))
    finally:
        if not _answers(connection, "SELECT RELEASE_LOCK(:name)", name):
            with contextlib.suppress(SQLAlchemyError):
                connection.invalidate()  # it would keep the lock in the pool
        _close(connection)


def _acquire_mysql(engine: Engine, name: dict[str, str]) -> Connection:
    connection = engine.connect()
    try:
        waiting = {**name, "seconds": _QUIET_SECONDS}
        with interruptible():
            while not connection.execute(text("SELECT GET_LOCK(:name, :seconds)"), waiting).scalar():
                pass
    except BaseException:
        connection.invalidate()
        _close(connection)
        raise
    return connection


def _answers(connection: Connection, question: str, parameters: dict[str, str]) -> bool:
    """Return whether the session still answers, and with something true."""
    try:
        return bool(connection.execute(text(question), parameters).scalar())
    except SQLAlchemyError:
        return False


def _close(connection: Connection) -> None:
    with contextlib.suppress(SQLAlchemyError):
        connection.close()


@contextlib.contextmanager
def _redis(journal: GuardedJournal, token: str) -> Iterator[Lock]:
    from redis.exceptions import LockError, RedisError
    from redis.lock import Lock as RedisLock

    backend: RedisJournal = journal.backend  # type: ignore[assignment]

    def acquire() -> RedisLock:
        name = f":optnas:lock:{token}"
        lock: RedisLock = backend.client.lock(name, timeout=_REDIS_SECONDS, thread_local=False)
        while not lock.acquire(blocking=False):
            with interruptible():
                time.sleep(_PAUSE)
        return lock

    def renew() -> None:
        while not ended.wait(_REDIS_SECONDS / 3):
            with contextlib.suppress(LockError, RedisError):
                lock.reacquire()

    def is_held() -> bool:
        try:
            return bool(lock.owned())
        except RedisError:
            return False

    lock, ended = journal.guard(acquire), threading.Event()
    threading.Thread(target=renew, daemon=True).start()
    try:
        yield Lock(is_held)
    finally:
        ended.set()
        with contextlib.suppress(LockError, RedisError):  # it has expired, or will
            lock.release()


@contextlib.contextmanager
def _proxy(proxy: Proxy, study: str, token: str) -> Iterator[Lock]:
    held = proxy.guard(proxy.hold, study)
    if held is None:
        with _file(_local_file(token)) as lock:
            yield lock
        return
    with contextlib.closing(held):
        yield Lock(held.is_held)


@contextlib.contextmanager
def _file(path: Path, guard: Callable[..., None] = lambda operation: operation()) -> Iterator[Lock]:
    lock = FileLock(path)
    guard(lambda: _acquire_file(lock, path))
    try:
        yield Lock()
    finally:
        lock.release()


def _acquire_file(lock: FileLock, path: Path) -> None:
    began, told = time.monotonic(), False
    while True:
        with contextlib.suppress(Timeout):
            lock.acquire(blocking=False)
            return
        waited = time.monotonic() - began
        if waited >= _QUIET_SECONDS and not told:
            notice(f"waiting for the lock {path}, which is held by {_holder(path)}")
            told = True
        with interruptible():
            time.sleep(_SOON_PAUSE if waited < _SOON_SECONDS else _PAUSE)


def _local_file(token: str) -> Path:
    return Path(tempfile.gettempdir()) / f"optnas-{token}.lock"


def _holder(path: Path) -> str:
    """Return who holds the lock on a file, in words."""
    try:
        inode = os.stat(path).st_ino
        lines = Path("/proc/locks").read_text().splitlines()
        held = [line.split() for line in lines if "->" not in line]
        pid = next(int(each[4]) for each in held if each[5].rsplit(":", 1)[-1] == str(inode))
        stopped = psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except (OSError, StopIteration, ValueError, IndexError, psutil.Error):
        return "a process on another machine or in another container"
    way_out = f", which is stopped: kill -CONT {pid} lets it go on, kill -9 {pid} ends it" if stopped else ""
    return f"process {pid}{way_out}"
