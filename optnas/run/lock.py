"""One worker at a time, over all processes that share a study."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import text

from optnas.run.storage import sqlite_file
from optnas.trials.internals import backend_of

__all__ = ["study_lock"]


@contextlib.contextmanager
def study_lock(storage: BaseStorage, study: str) -> Iterator[None]:
    """Hold the only lock of that study while within.

    SQLite locks a file beside the database, PostgreSQL an advisory lock in the server, so that both
    hold over all processes and machines. Any other storage locks a file of this machine: processes
    of several machines may then start a trial too many between them. A lock dies with its process.
    """
    backend = backend_of(storage)
    token = hashlib.blake2b(study.encode(), digest_size=7).hexdigest()
    if isinstance(backend, RDBStorage):
        if backend.engine.dialect.name == "postgresql":
            with backend.engine.connect() as connection, connection.begin():
                connection.execute(text("SELECT pg_advisory_xact_lock(:token)"), {"token": int(token, 16)})
                yield
            return
        path = sqlite_file(backend.url)
        if path is not None:
            with FileLock(f"{path}.lock"):
                yield
            return
    with FileLock(Path(tempfile.gettempdir()) / f"optnas-{token}.lock"):
        yield
