"""Which errors of a storage pass by themselves."""

from __future__ import annotations

import errno
import re
import sqlite3
import sys

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, PendingRollbackError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from optnas.trials.optuna_reading import Damaged

__all__ = ["UNREACHABLE", "is_damage", "is_of_storage", "passing", "reason_of"]

UNREACHABLE = "not reachable"
"""State of a storage whose server does not answer: it is not known whether it exists."""

_LOST = "not connected any more"
_STARTING = "starting or stopping"
_CROWDED = "out of connections"
_LOCKED = "locked by another program"
_FULL = "on a full disk"
_READ_ONLY = "read-only for now, as while another server takes over"
_DISK = "not readable or writable for now"
_BUSY = "busy"

_SQLITE = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: _DISK,
}
_OS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "on a disk whose quota is used up",
    errno.EFBIG: "as large as files may become here",
    errno.EIO: _DISK,
    errno.ESTALE: _DISK,
    errno.ENOTCONN: _DISK,
    errno.EHOSTDOWN: UNREACHABLE,
    errno.EHOSTUNREACH: UNREACHABLE,
    errno.ENETUNREACH: UNREACHABLE,
    errno.ETIMEDOUT: UNREACHABLE,
}
# https://www.postgresql.org/docs/current/errcodes-appendix.html; two characters are a class of errors.
_POSTGRESQL = {
    "08": _LOST,
    "25006": _READ_ONLY,
    "25P03": _LOST,  # idle_in_transaction_session_timeout
    "40": _LOCKED,  # deadlock, serialization failure
    "53100": _FULL,
    "53200": "out of memory",
    "53300": _CROWDED,
    "55P03": _LOCKED,  # lock_timeout
    "57014": _BUSY,  # statement_timeout
    "57P01": _STARTING,
    "57P02": _STARTING,
    "57P03": _STARTING,
    "57P05": _LOST,  # idle_session_timeout
    "58030": _DISK,
}
# Of a connection that failed, the client library tells no code.
_POSTGRESQL_REFUSALS = re.compile(
    r"authentication failed|does not exist|pg_hba\.conf|password|not permitted|permission denied|certificate"
    r"|SSL|invalid|service file|role \"",
    re.IGNORECASE,
)
_POSTGRESQL_STATES = {
    "starting up": _STARTING,
    "shutting down": _STARTING,
    "recovery": _STARTING,
    "not yet accepting": _STARTING,
    "administrator command": _STARTING,
    "too many": _CROWDED,
    "connection slots": _CROWDED,
    "connection is closed": _LOST,
    "connection already closed": _LOST,
    "closed the connection": _LOST,
    "consuming input failed": _LOST,
    "sending query failed": _LOST,
}
# https://mariadb.com/kb/en/mariadb-error-code-reference and MySQL's client errors.
_MYSQL = {
    **dict.fromkeys((0, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 2055, 4031), _LOST),
    **dict.fromkeys((2002, 2003), UNREACHABLE),
    **dict.fromkeys((1040, 1203, 1226), _CROWDED),
    **dict.fromkeys((1053, 1047, 1077, 1079, 3168), _STARTING),
    **dict.fromkeys((1020, 1099, 1205, 1213, 3572), _LOCKED),
    **dict.fromkeys((1021, 1114), _FULL),
    **dict.fromkeys((1290, 1792, 1836), _READ_ONLY),
    **dict.fromkeys((1037, 1038, 1041), "out of memory"),
    **dict.fromkeys((1317, 1969, 3024), _BUSY),
}
_REDIS = {
    "BusyLoadingError": _STARTING,
    "MaxConnectionsError": _CROWDED,
    "TimeoutError": UNREACHABLE,
    "ReadOnlyError": _READ_ONLY,
    "MasterDownError": _READ_ONLY,
    "ClusterDownError": _STARTING,
    "TryAgainError": _BUSY,
    "OutOfMemoryError": "out of memory",
    "ConnectionError": UNREACHABLE,
}
_REDIS_REFUSALS = ("AuthenticationError", "AuthorizationError", "NoPermissionError")
_REDIS_REPLIES = {"MISCONF": _FULL, "NOREPLICAS": _STARTING, "BUSY ": _BUSY, "UNBLOCKED": _READ_ONLY}
_OTHER_TABLES = re.compile(
    r"no such (table|column)|(relation|table|column) .* does(n't| not) exist|unknown column", re.IGNORECASE
)
_GRPC = {
    "UNAVAILABLE": UNREACHABLE,
    "CANCELLED": _LOST,
    "ABORTED": _LOST,
    "DEADLINE_EXCEEDED": UNREACHABLE,
    "RESOURCE_EXHAUSTED": _BUSY,
}


def is_of_storage(error: BaseException) -> bool:
    """Return whether an error is one of the storage, not of what it was asked for."""
    return (
        isinstance(error, SQLAlchemyError | StorageInternalError | OSError | Damaged)
        or _is(error, "redis", "RedisError")
        or _is(error, "grpc", "RpcError")
    )


def passing(error: BaseException) -> str | None:
    """Return what the storage is, in words, if the error passes by itself; otherwise ``None``.

    A lost connection, a server that starts or stops, a lock and a full disk pass; a wrong password and a
    database that does not exist do not.
    """
    cause = _cause(error)
    if isinstance(cause, PoolTimeout):
        return _CROWDED
    if isinstance(cause, PendingRollbackError):  # in a transaction whose connection was lost
        return _LOST
    if isinstance(cause, DBAPIError):
        return _of_database(cause)
    if _is(cause, "redis", "RedisError"):
        return _of_redis(cause)
    if _is(cause, "grpc", "RpcError"):
        return _GRPC.get(_grpc_code(cause))
    if isinstance(cause, OSError):
        unreachable = UNREACHABLE if isinstance(cause, ConnectionError | TimeoutError) else None
        return _OS.get(cause.errno or 0, unreachable)
    return None


def is_damage(error: BaseException) -> bool:
    """Return whether what the storage holds is damaged, or is not Optuna's."""
    cause = _cause(error)
    reason = cause.orig if isinstance(cause, DBAPIError) else cause
    return isinstance(cause, Damaged) or _is_broken_file(reason)


def _is_broken_file(error: BaseException | None) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def reason_of(error: BaseException) -> str | None:
    """Return an error that does not pass as one line; ``None`` if it is of what is written."""
    cause = _cause(error)
    if isinstance(cause, DataError | IntegrityError):
        return None
    if isinstance(cause, Damaged):
        return f"{cause}: put back a copy of it, or begin in another (--storage)"
    if _is(cause, "grpc", "RpcError"):
        details = getattr(cause, "details", str)
        return f"{_grpc_code(cause)}: {details()}".split("\n")[0]
    reason = cause.orig if isinstance(cause, DBAPIError) else cause
    line = str(reason).strip().split("\n")[0] or type(reason).__name__
    if _is_broken_file(reason):
        return f"{line}: put back a copy of the file, or save what is left by sqlite3 FILE .recover"
    if _OTHER_TABLES.search(line):
        return f"{line}: its tables are not Optuna's; put back a copy, or begin in another one (--storage)"
    return line


def _of_database(error: DBAPIError) -> str | None:
    orig = error.orig
    code = getattr(orig, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & 0xFF)
    state = getattr(orig, "sqlstate", None) or getattr(orig, "pgcode", None)
    module = type(orig).__module__.partition(".")[0]
    if module in ("psycopg", "psycopg2"):
        if state is not None:
            return _POSTGRESQL.get(state, _POSTGRESQL.get(state[:2]))
        if not error.connection_invalidated and type(orig).__name__ not in (
            "OperationalError",
            "InterfaceError",
            "ConnectionTimeout",
        ):
            return None
        said = str(orig)
        for words, why in _POSTGRESQL_STATES.items():
            if words in said:
                return why
        return None if _POSTGRESQL_REFUSALS.search(said) else UNREACHABLE
    if module in ("pymysql", "MySQLdb", "mysql", "mariadb"):
        number = getattr(orig, "errno", None) or (orig.args[0] if orig is not None and orig.args else None)
        if number in _MYSQL:
            return _MYSQL[number]
    return _LOST if error.connection_invalidated else None


def _of_redis(error: BaseException) -> str | None:
    names = [each.__name__ for each in type(error).__mro__]
    if any(name in names for name in _REDIS_REFUSALS):
        return None
    for name, why in _REDIS.items():
        if name in names:
            return why
    return next((why for word, why in _REDIS_REPLIES.items() if str(error).startswith(word)), None)


def _cause(error: BaseException) -> BaseException:
    """Return the database's error behind Optuna's."""
    if isinstance(error, StorageInternalError) and error.__cause__ is not None:
        return error.__cause__
    return error


def _is(error: BaseException, module: str, name: str) -> bool:
    """Return whether an error is of a class in an optional module."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(error, kind)


def _grpc_code(error: BaseException) -> str:
    code = getattr(error, "code", None)
    return str(code().name) if callable(code) else "UNKNOWN"
