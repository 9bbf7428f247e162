"""Operations of a storage that wait while it is locked or its disk is full, and fail in one line."""

from __future__ import annotations

import errno
import sqlite3
import sys
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from optnas.errors import StorageError
from optnas.shown import duration

__all__ = ["NOTICE", "Guard", "notice"]

NOTICE = "optnas: "
"""Beginning of the lines that a process says of its storage on standard error."""

_PATIENCE_SECONDS = 600.0
_QUIET_SECONDS = 10.0
_LONGEST_PAUSE = 5.0

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

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def notice(message: str) -> None:
    """Say something of the storage on standard error; the run that started this process passes it on."""
    print(f"{NOTICE}{message}", file=sys.stderr, flush=True)


class Guard:
    """Runs the operations of one storage, each of which happens whole or not at all.

    One that fails because the storage is locked or its disk is full is tried again for ten minutes; one line
    on standard error says so. Every other error of the storage is raised as one line.

    Args:
        name: The storage, as it is named in messages.
        check: Called before every operation; raises ``StorageError`` if the storage is gone.
    """

    def __init__(self, name: str, check: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.check = check
        self.patience = _PATIENCE_SECONDS

    def __call__(
        self,
        operation: Callable[_Parameters, _Result],
        *args: _Parameters.args,
        **kwargs: _Parameters.kwargs,
    ) -> _Result:
        """Call ``operation`` and return its result.

        Raises:
            StorageError: If the storage is gone, fails, or is still locked after ten minutes.
        """
        started, pause, told = time.monotonic(), 0.1, False
        while True:
            try:
                self.check()
                result = operation(*args, **kwargs)
            except StorageError:
                raise
            except KeyboardInterrupt:
                self.patience = 0.0  # what is still to be put away is tried once
                raise
            except (SQLAlchemyError, StorageInternalError, OSError) as error:
                self.check()
                why = _passing(error)
                if why is None:
                    raise self._refused(error) from error
                waited = time.monotonic() - started
                if waited >= self.patience:
                    raise StorageError(
                        f"the storage {self.name} is {why} since {duration(waited)}; what was finished before"
                        " is kept: run the same command again to go on"
                    ) from error
                if waited >= _QUIET_SECONDS and not told:
                    told = True
                    notice(f"the storage {self.name} is {why}; waiting until that passes (Ctrl-C stops)")
                try:
                    time.sleep(pause)
                except KeyboardInterrupt:
                    self.patience = 0.0
                    raise
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                if told:
                    notice(f"the storage {self.name} can be used again")
                return result

    def _refused(self, error: Exception) -> Exception:
        """Return the error to raise in place of one that will not pass."""
        cause = _cause(error)
        if isinstance(cause, DataError | IntegrityError):  # of what is written, not of the storage
            return error
        reason = cause.orig if isinstance(cause, DBAPIError) else cause
        line = str(reason).strip().split("\n")[0]
        return StorageError(f"the storage {self.name} failed: {line}; what was finished before is kept")


def _cause(error: BaseException) -> BaseException:
    """Return the database's error behind Optuna's."""
    if isinstance(error, StorageInternalError) and error.__cause__ is not None:
        return error.__cause__
    return error


def _passing(error: BaseException) -> str | None:
    """Return what the storage is, in words, if the error passes by itself; otherwise ``None``."""
    cause = _cause(error)
    if isinstance(cause, DBAPIError):
        code = getattr(cause.orig, "sqlite_errorcode", None)
        return None if code is None else _PASSING_SQLITE.get(code & 0xFF)
    return _PASSING_OS.get(cause.errno or 0) if isinstance(cause, OSError) else None
