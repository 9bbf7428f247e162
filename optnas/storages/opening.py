"""Opening a storage by its URL."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, ProgrammingError, SQLAlchemyError

from optnas.errors import StorageError, UserError
from optnas.shown import hidden, masked_url
from optnas.storages.database import Database
from optnas.storages.journal import GuardedJournal, Journal
from optnas.storages.read_only import read_only
from optnas.storages.waiting import Guard

__all__ = ["DEFAULT_STORAGE", "NoStorage", "default_artifacts", "open_storage", "sqlite_file"]

DEFAULT_STORAGE = "sqlite:///optnas.db"


class NoStorage(UserError):
    """Error: the storage does not exist yet; the first run creates it."""


# How long SQLite itself waits for others to finish writing, which takes milliseconds. Ctrl-C has no effect
# meanwhile; a guard waits on.
_BUSY_SECONDS = 2
_CONNECT_SECONDS = 10


def open_storage(url: str, *, create: bool = True, reading: bool = False) -> BaseStorage:
    """Return the Optuna storage at ``url``.

    SQLite is opened for several processes at once: write-ahead log, and a busy timeout. A path that
    ends in ``.log`` is Optuna's journal file; every other URL is an SQLAlchemy one.

    Args:
        url: Such as ``sqlite:///optnas.db`` or ``postgresql+psycopg://user:password@host/database``.
        create: Whether to create a missing SQLite or journal file.
        reading: Whether it is only read: nothing is created, and it need not be writable.

    Raises:
        NoStorage: If it does not exist and ``create`` is false or ``reading`` true.
        UserError: If the storage cannot be reached; the password is masked in the message.
    """
    if url.endswith(".log") and "://" not in url:
        _check_file(Path(url), create and not reading)
        journal = Journal(Path(url))
        return GuardedJournal(journal, journal.guard)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a port that is no number
        raise UserError(
            f"storage {masked_url(url)!r} is not a URL: write e.g. {DEFAULT_STORAGE}, or the path of a"
            " journal .log"
        ) from None
    path = sqlite_file(parsed)
    try:
        if path is None:
            return _on_server(url, parsed)
        _check_file(path, create and not reading)
        if reading:
            return Guard(masked_url(url))(_read, url, parsed, path)
        return Guard(masked_url(url))(_sqlite, url, parsed, path)
    except (SQLAlchemyError, StorageError, ImportError, OSError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, StorageError) else error
        reason = str(cause).strip().split("\n")[0]
        if isinstance(cause, ModuleNotFoundError) and cause.name == "psycopg":
            reason += ": pip install 'psycopg[binary]'"
        raise UserError(f"storage {masked_url(url)} cannot be reached: {hidden(reason, url)}") from None


def _sqlite(url: str, parsed: URL, path: Path) -> RDBStorage:
    # Optuna creates its tables one by one: two processes must not do so at once.
    with FileLock(f"{path}.lock"):
        storage = Database(url, masked_url(url), path, engine_kwargs=_engine(parsed))
        event.listen(storage.engine, "connect", _tune_sqlite)
        storage.engine.dispose()  # closes connections made before the listener
    return storage


def _read(url: str, parsed: URL, path: Path) -> RDBStorage:
    try:
        if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
            # Its reader may write later on, as the dashboard does.
            with contextlib.suppress(SQLAlchemyError, StorageInternalError, OSError):
                engine = _engine(parsed)
                return Database(url, masked_url(url), path, engine_kwargs=engine, skip_table_creation=True)
        return read_only(url, masked_url(url), path, _BUSY_SECONDS)
    except (SQLAlchemyError, StorageInternalError) as error:
        if "no such table" in f"{error} {error.__cause__}":
            raise NoStorage(f"no study is stored in {path}: run one first, or give --storage") from None
        raise


def _on_server(url: str, parsed: URL) -> RDBStorage:
    """Open a server's database; try again if another process is creating the same tables."""
    for pause in (0.5, 1.0, 2.0):
        try:
            return Database(url, masked_url(url), None, engine_kwargs=_engine(parsed))
        except (IntegrityError, ProgrammingError):
            time.sleep(pause)
    return Database(url, masked_url(url), None, engine_kwargs=_engine(parsed))


def sqlite_file(url: str | URL) -> Path | None:
    """Return the file of an SQLite URL; ``None`` for any other URL and for a database in memory."""
    try:
        url = make_url(url)
    except (ArgumentError, ValueError):
        return None
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(url.database)


def default_artifacts(url: str) -> str:
    """Return the default folder for checkpoints of trials, beside the storage's file.

    ``optnas-artifacts`` for ``optnas.db``; for a server's storage, in the working directory.
    """
    path = Path(url) if "://" not in url else sqlite_file(url)
    return "optnas-artifacts" if path is None else str(path.with_name(f"{path.stem}-artifacts"))


def _check_file(path: Path, create: bool) -> None:
    if not create and not path.exists():
        raise NoStorage(f"no study is stored in {path}: run one first, or give --storage")
    if not path.parent.is_dir():
        raise UserError(f"the folder {path.parent} for the storage {path.name} does not exist: make it first")


def _engine(url: URL) -> dict[str, Any]:
    match url.get_backend_name():
        case "sqlite":
            return {"connect_args": {"timeout": _BUSY_SECONDS}}
        case "postgresql" | "mysql":
            # The pool notices if the server was restarted in between.
            return {"pool_pre_ping": True, "connect_args": {"connect_timeout": _CONNECT_SECONDS}}
    return {}


def _tune_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # With WAL this loses nothing when a process dies, only the last writes when the machine does.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
