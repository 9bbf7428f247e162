"""An SQLite database that is read where nothing can be written."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path

from optnas.storages.database import Database
from optnas.storages.passing import is_damage

__all__ = ["read_only"]


def read_only(url: str, name: str, path: Path, busy_seconds: float) -> Database:
    """Return the database in a read-only folder or on a full disk, without writing anything there.

    SQLite reads a database with a write-ahead log only beside an index of the log, which it creates. Where it
    cannot, the database is read as immutable; if there is something in the log, a temporary copy is read.

    Args:
        url: The database's URL.
        name: The storage, as it is named in messages.
        path: Its file.
        busy_seconds: How long a statement waits for a lock.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: If it cannot be read.
    """

    def connect(file: Path, mode: str) -> sqlite3.Connection:
        uri = f"{file.resolve().as_uri()}?{mode}"
        return sqlite3.connect(uri, uri=True, timeout=busy_seconds, check_same_thread=False)

    file, mode, copies = path, "mode=ro", None
    log = Path(f"{path}-wal")
    try:
        connection = connect(file, mode)
        try:
            connection.execute("PRAGMA schema_version")
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY or is_damage(error):
            pass  # whoever reads it waits, or says so
        elif log.exists() and log.stat().st_size:
            copies = tempfile.TemporaryDirectory(prefix="optnas-")
            file = Path(copies.name) / path.name
            for each in (path, log):
                shutil.copyfile(each, file.with_name(each.name))
            mode = "mode=rw"
        else:
            mode = "immutable=1"
    storage = Database(
        url,
        name,
        None,
        engine_kwargs={"creator": lambda: connect(file, mode)},
        skip_table_creation=True,
    )
    storage.copies = copies
    return storage
