"""Which errors of a storage pass by themselves."""

from __future__ import annotations

import errno
import sqlite3

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

__all__ = ["is_of_storage", "passing", "reason_of"]

_PASSING_SQLITE = {
    sqlite3.SQLITE_BUSY: "locked by another program",
    sqlite3.SQLITE_LOCKED: "locked by another program",
    sqlite3.SQLITE_FULL: "on a full disk",
    sqlite3.SQLITE_IOERR: "not readable or writable for now",
}
_PASSING_OS = {
    errno.ENOSPC: "on a full disk",
    errno.EDQUOT: "on a disk whose quota is used up",
    errno.EFBIG: "as large as files may become here",
    errno.EIO: "not readable or writable for now",
}


def is_of_storage(error: Exception) -> bool:
    """Return whether an error is one of the storage, not of what it was asked for."""
    return isinstance(error, SQLAlchemyError | StorageInternalError | OSError)


def passing(error: BaseException) -> str | None:
    """Return what the storage is, in words, if the error passes by itself; otherwise ``None``."""
    cause = _cause(error)
    if isinstance(cause, DBAPIError):
        code = getattr(cause.orig, "sqlite_errorcode", None)
        return None if code is None else _PASSING_SQLITE.get(code & 0xFF)
    return _PASSING_OS.get(cause.errno or 0) if isinstance(cause, OSError) else None


def reason_of(error: BaseException) -> str | None:
    """Return an error that does not pass as one line; ``None`` if it is of what is written."""
    cause = _cause(error)
    if isinstance(cause, DataError | IntegrityError):
        return None
    reason = cause.orig if isinstance(cause, DBAPIError) else cause
    return str(reason).strip().split("\n")[0]


def _cause(error: BaseException) -> BaseException:
    """Return the database's error behind Optuna's."""
    if isinstance(error, StorageInternalError) and error.__cause__ is not None:
        return error.__cause__
    return error
