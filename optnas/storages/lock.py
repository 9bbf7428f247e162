"""Lock of a study, over all processes that share it."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from optnas.storages.database import Database
from optnas.storages.opening import sqlite_file
from optnas.trials.optuna_internals import backend_of

__all__ = ["Lock", "study_lock"]


class Lock:
    """The lock of a study while it is held.

    Args:
        held: Returns whether it is still this process's: a holder that did not move for long loses it.
    """

    def __init__(self, held: Callable[[], bool] = lambda: True) -> None:
        self.held = held


@contextlib.contextmanager
def study_lock(storage: BaseStorage, study: str) -> Iterator[Lock]:
    """Hold the lock of a study while inside the context.

    For SQLite it is a file beside the database, for PostgreSQL an advisory lock in the server: both
    hold over all processes and machines. For any other storage it is a file of this machine: processes
    of several machines may then start a trial too many. A lock ends with its process.
    """
    backend = backend_of(storage)
    token = hashlib.blake2b(study.encode(), digest_size=7).hexdigest()
    if isinstance(backend, RDBStorage):
        if backend.engine.dialect.name == "postgresql":
            with backend.engine.connect() as connection, connection.begin():
                connection.execute(text("SELECT pg_advisory_xact_lock(:token)"), {"token": int(token, 16)})
                yield Lock(lambda: _is_alive(connection))
            return
        path = sqlite_file(backend.url)
        if path is not None:
            acquire = FileLock(f"{path}.lock").acquire
            with backend.guard(acquire) if isinstance(backend, Database) else acquire():
                yield Lock()
            return
    with FileLock(Path(tempfile.gettempdir()) / f"optnas-{token}.lock"):
        yield Lock()


def _is_alive(connection: Connection) -> bool:
    try:
        connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True
