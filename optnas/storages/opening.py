"""Opening a storage by its URL."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, SQLAlchemyError

from optnas.errors import StorageError, UserError
from optnas.shown import hidden, masked_url
from optnas.storages.database import CachedDatabase, Database
from optnas.storages.journal import GuardedJournal, Journal
from optnas.storages.passing import reason_of
from optnas.storages.read_only import read_only
from optnas.storages.servers import is_without_tables, on_server, with_driver
from optnas.storages.waiting import Guard
from optnas.trials.optuna_reading import Damaged

if TYPE_CHECKING:
    from optnas.storages.proxy import Proxy

__all__ = ["DEFAULT_STORAGE", "NoStorage", "default_artifacts", "open_storage", "sqlite_file"]

DEFAULT_STORAGE = "sqlite:///optnas.db"


class NoStorage(UserError):
    """Error: the storage does not exist yet; the first run creates it."""


# How long SQLite itself waits for others to finish writing, which takes milliseconds. Ctrl-C has no effect
# meanwhile; a guard waits on.
_BUSY_SECONDS = 2
# A server that nobody has reached yet may be a mistyped one.
_FIRST_CONTACT_SECONDS = 5.0
_KINDS = (
    "sqlite:///file.db, postgresql://user:password@host/database, mysql://user:password@host/database,"
    " a journal's path that ends in .log, redis://host:6379/0, or grpc://host:13000 (optnas storage-proxy)"
)


def open_storage(
    url: str, *, create: bool = True, reading: bool = False, patience: float | None = None
) -> BaseStorage:
    """Return the Optuna storage at ``url``, each operation of which waits while the storage is away.

    SQLite is opened for several processes at once: write-ahead log, and a busy timeout.

    Args:
        url: A database of SQLite, PostgreSQL, MySQL or MariaDB, a journal's ``.log`` file or one in Redis, or
            Optuna's gRPC proxy.
        create: Whether to create a missing SQLite or journal file.
        reading: Whether it is only read: nothing is created, and it need not be writable.
        patience: Seconds to wait for the storage while it is away. By default ten minutes, but a few seconds
            for a server that was not reached before.

    Raises:
        NoStorage: If it does not exist and ``create`` is false or ``reading`` true.
        StorageError: If the storage cannot be reached; the password is masked in the message.
        UserError: If ``url`` is none, or its folder does not exist.
    """
    if url.endswith(".log") and "://" not in url:
        _check_file(url, Path(url), create and not reading)
        journal = Journal(Path(url), patience)
        return GuardedJournal(journal, journal.guard)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a port that is no number
        raise UserError(
            f"storage {masked_url(url)!r} is not a URL: write e.g. {DEFAULT_STORAGE}, or the path of a"
            " journal .log"
        ) from None
    contact = _FIRST_CONTACT_SECONDS if patience is None else None
    first = Guard(masked_url(url), patience=patience, contact=contact)
    try:
        storage = _opened(url, parsed, first, create=create, reading=reading)
    except Exception as error:  # drivers raise anything at a URL that they do not know
        if isinstance(error, UserError) and not isinstance(error, StorageError):
            raise
        cause = error.__cause__ if isinstance(error, StorageError) else error
        reason = reason_of(cause or error) or str(cause or error)
        how = "is damaged" if isinstance(cause, Damaged) else "cannot be reached"
        raise StorageError(f"storage {masked_url(url)} {how}: {hidden(reason, url)}") from None
    first.contact = None
    storage.guard.patience = first.patience
    return CachedDatabase(storage) if isinstance(storage, Database) else storage


def _opened(
    url: str, parsed: URL, first: Guard, *, create: bool, reading: bool
) -> Database | GuardedJournal | Proxy:
    match parsed.get_backend_name():
        case "sqlite":
            path = sqlite_file(parsed)
            if path is None:
                raise UserError(
                    "a database in memory ends with this process, and workers cannot share it: give a file,"
                    f" such as {DEFAULT_STORAGE}"
                )
            _check_file(url, path, create and not reading)
            return first(_read, url, path) if reading else first(_sqlite, url, path, create)
        case "postgresql" | "postgres" | "mysql" | "mariadb":
            try:
                return first(on_server, with_driver(parsed), masked_url(url), reading=reading)
            except StorageError as error:
                if reading and error.__cause__ is not None and is_without_tables(error.__cause__):
                    raise _no_study(url) from None
                raise
        case "redis" | "rediss":
            return first(_redis, url, reading, first)
        case "grpc":
            return first(_proxy, parsed, first)
    raise UserError(f"storage {masked_url(url)}: there is no {parsed.drivername}; give {_KINDS}")


def _redis(url: str, reading: bool, guard: Guard) -> GuardedJournal:
    _need("redis", "redis")
    from optnas.storages.redis_journal import RedisJournal

    journal = RedisJournal(url)
    if reading and not journal.is_there():
        raise _no_study(url)
    return GuardedJournal(journal, guard)


def _proxy(url: URL, guard: Guard) -> Proxy:
    _need("grpc", "grpc")
    from optnas.storages.proxy import Proxy

    if not url.host or not url.port:
        raise UserError(f"storage {guard.name}: write grpc://host:port, as optnas storage-proxy says it")
    proxy = Proxy(url.host, url.port, guard)
    with contextlib.suppress(KeyError):
        proxy.get_study_id_from_name("")
    return proxy


def _need(module: str, extra: str) -> None:
    if find_spec(module) is None:
        raise UserError(f"{extra}:// needs a package that is not installed: pip install 'optnas[{extra}]'")


def _sqlite(url: str, path: Path, create: bool) -> Database:
    mode = "rwc" if create else "rw"

    def connect() -> sqlite3.Connection:
        return _connected(path, mode)

    # Optuna creates its tables one by one: two processes must not do so at once. Where they are, nobody waits
    # for who holds the lock of a study, which is the same one.
    with contextlib.nullcontext() if _has_tables(path) else FileLock(f"{path}.lock"):
        try:
            storage = Database(url, masked_url(url), path, engine_kwargs={"creator": connect})
        except (IntegrityError, OperationalError):
            # Who reads the new file, without the lock, has noted its version.
            storage = Database(url, masked_url(url), path, engine_kwargs={"creator": connect})
        event.listen(storage.engine, "connect", _tune_sqlite)
        storage.engine.dispose()  # closes connections made before the listener
    mode = "rw"  # a file that was deleted is not made anew, with nothing in it
    return storage


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False)


def _has_tables(path: Path) -> bool:
    """Return whether an SQLite file has all of Optuna's tables: the version is written last."""
    try:
        with contextlib.closing(_connected(path, "rw")) as connection:
            return connection.execute("SELECT 1 FROM alembic_version").fetchone() is not None
    except sqlite3.Error:
        return False


def _read(url: str, path: Path) -> Database:
    try:
        if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
            # Its reader may write later on, as the dashboard does.
            with contextlib.suppress(SQLAlchemyError, StorageInternalError, OSError):
                engine = _engine()
                return Database(url, masked_url(url), path, engine_kwargs=engine, skip_table_creation=True)
        return read_only(url, masked_url(url), path, _BUSY_SECONDS)
    except (SQLAlchemyError, StorageInternalError) as error:
        if "no such table" in f"{error} {error.__cause__}":
            raise _no_study(url) from None
        raise


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


def _no_study(url: str) -> NoStorage:
    """Return the error that a storage was never written to, with what to do about it."""
    given = url != DEFAULT_STORAGE
    to_do = f"FILE --storage {masked_url(url)}" if given else "FILE, or name another place by --storage"
    place = sqlite_file(url) or masked_url(url)
    return NoStorage(f"no study is stored in {place} yet: run one first, by optnas run {to_do}")


def _check_file(url: str, path: Path, create: bool) -> None:
    if not create and not path.exists():
        raise _no_study(url)
    if not path.parent.is_dir():
        raise UserError(f"the folder {path.parent} for the storage {path.name} does not exist: make it first")


def _engine() -> dict[str, Any]:
    return {"connect_args": {"timeout": _BUSY_SECONDS}}


def _tune_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # With WAL this loses nothing when a process dies, only the last writes when the machine does.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
