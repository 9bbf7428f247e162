"""Database servers as storages: PostgreSQL, MySQL and MariaDB."""

from __future__ import annotations

import logging
import math
import random
import time
from importlib.util import find_spec
from typing import Any

from optuna.exceptions import StorageInternalError
from sqlalchemy import Engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidatePoolError, ProgrammingError

from optnas.errors import UserError
from optnas.storages.database import Database
from optnas.storages.waiting import now

__all__ = ["VANISHED_SECONDS", "is_without_tables", "on_server", "with_driver"]

VANISHED_SECONDS = 30
"""A server takes a lock from who holds it if nothing is heard of them for so long."""

_CONNECT_SECONDS = 10
_LOCK_SECONDS = 10
_NO_ANSWER_SECONDS = 20
_IDLE_SECONDS = 1.0
# Both ends notice a link that is cut after 10 + 2 × 5 seconds.
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2}

_DRIVERS = {
    "postgresql": (("psycopg2", "psycopg2"), ("psycopg", "psycopg")),
    "mysql": (("MySQLdb", "mysqldb"), ("pymysql", "pymysql")),
    "mariadb": (("MySQLdb", "mysqldb"), ("pymysql", "pymysql")),
}
_EXTRAS = {"postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}

_TUNE_POSTGRESQL = f"""
    SET idle_in_transaction_session_timeout = '{VANISHED_SECONDS}s';
    SET lock_timeout = '{_LOCK_SECONDS}s';
    SET tcp_keepalives_idle = {_KEEPALIVE["keepalives_idle"]};
    SET tcp_keepalives_interval = {_KEEPALIVE["keepalives_interval"]};
    SET tcp_keepalives_count = {_KEEPALIVE["keepalives_count"]};
    SET tcp_user_timeout = '{_NO_ANSWER_SECONDS}s';
"""
_TUNE_MYSQL = (
    f"SET SESSION innodb_lock_wait_timeout = {_LOCK_SECONDS}, SESSION wait_timeout = {VANISHED_SECONDS}"
)


def with_driver(url: URL) -> URL:
    """Return a server's URL with the driver that is installed, where it names none.

    Raises:
        UserError: If none is.
    """
    backend, _, named = url.drivername.partition("+")
    backend = {"postgres": "postgresql"}.get(backend, backend)
    for module, driver in _DRIVERS[backend]:
        if named in ("", driver) and find_spec(module) is not None:
            return url.set(drivername=f"{backend}+{driver}")
    if named and named not in [driver for _, driver in _DRIVERS[backend]]:
        return url.set(drivername=f"{backend}+{named}")  # SQLAlchemy may know it
    raise UserError(
        f"{backend} needs a driver that is not installed: pip install 'optnas[{_EXTRAS[backend]}]'"
    )


def on_server(url: URL, name: str, *, reading: bool) -> Database:
    """Open a server's database; try again if another process is creating the same tables.

    Args:
        url: The database's URL.
        name: The storage, as it is named in messages.
        reading: Whether it is only read: no tables are created.
    """
    options = {"engine_kwargs": _engine(url), "skip_table_creation": reading}
    # Whoever waits for a server that is away tells it; the pool would log a traceback for each connection.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    text = url.render_as_string(hide_password=False)
    for pause in (0.5, 1.0, 2.0):
        try:
            storage = Database(text, name, None, **options)
            break
        except (DBAPIError, StorageInternalError) as error:
            # Optuna notes the version of the tables also where it only reads them.
            if (reading and is_without_tables(error)) or not _was_created(error):
                raise
            time.sleep(pause * random.uniform(0.5, 1.0))
    else:
        storage = Database(text, name, None, **options)
    tune = {"postgresql": _tune_postgresql, "mysql": _tune_mysql, "mariadb": _tune_mysql}
    event.listen(storage.engine, "connect", tune[storage.engine.dialect.name])
    _ping_idle(storage.engine)
    storage.engine.dispose()  # closes connections made before the listener
    return storage


def is_without_tables(error: BaseException) -> bool:
    """Return whether an error says that Optuna's tables are not in the database."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    orig = getattr(cause, "orig", None)
    code = (
        getattr(orig, "sqlstate", None)
        or getattr(orig, "pgcode", None)
        or (getattr(orig, "args", ()) or (0,))[0]
    )
    return code in ("42P01", "42S02", 1146)


def _was_created(error: BaseException) -> bool:
    """Return whether an error says that another process has created what was to be created."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    orig = getattr(cause, "orig", None)
    exists = (getattr(orig, "args", ()) or (0,))[0] in (1050, 1061, 1684)
    return exists or isinstance(cause, IntegrityError | ProgrammingError)


def _engine(url: URL) -> dict[str, Any]:
    backend, driver = url.get_backend_name(), url.get_driver_name()
    arguments: dict[str, Any] = {}
    if backend == "postgresql" and driver in ("psycopg", "psycopg2"):
        arguments = {"keepalives": 1, **_KEEPALIVE, "tcp_user_timeout": _NO_ANSWER_SECONDS * 1000}
        arguments["connect_timeout"] = _CONNECT_SECONDS
    elif driver == "pymysql":
        arguments = {"connect_timeout": _CONNECT_SECONDS}
        # A statement that takes longer has lost its server.
        arguments |= {"read_timeout": 3 * _NO_ANSWER_SECONDS, "write_timeout": _NO_ANSWER_SECONDS}
    elif driver == "mysqldb":
        arguments = {"connect_timeout": _CONNECT_SECONDS}
    given = {name: value for name, value in arguments.items() if name not in url.query}
    return {"connect_args": given}


def _ping_idle(engine: Engine) -> None:
    """Let the pool notice that the server was restarted before a connection is used that was idle.

    As ``pool_pre_ping`` does, which asks the server before every transaction.
    """

    def used(_connection: Any, record: Any) -> None:
        record.info["used"] = now()

    def check(connection: Any, record: Any, _proxy: Any) -> None:
        if now() - record.info.get("used", math.inf) > _IDLE_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except Exception:
                raise InvalidatePoolError from None

    event.listen(engine, "checkin", used)
    event.listen(engine, "checkout", check)


def _tune_postgresql(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(_TUNE_POSTGRESQL)
    cursor.close()
    connection.commit()


def _tune_mysql(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(_TUNE_MYSQL)
    cursor.close()
