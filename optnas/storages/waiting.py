"""Operations of a storage that wait while it is away, and fail in one line."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from optuna.storages import BaseStorage

from optnas.errors import StorageError
from optnas.interrupts.whole import interruptible, whole
from optnas.shown import duration, notice
from optnas.storages.passing import UNREACHABLE, is_damage, is_of_storage, passing, reason_of
from optnas.trials.optuna_internals import backend_of
from optnas.turn import lent

__all__ = [
    "PATIENCE_SECONDS",
    "Guard",
    "StorageAway",
    "guard_of",
    "impatient",
    "last_outage",
    "now",
    "waiting_for",
]

PATIENCE_SECONDS = 600.0
"""Default time, in seconds, that an operation waits for a storage that is away."""

_IMPATIENT_SECONDS = 2.0
_QUIET_SECONDS = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class StorageAway(StorageError):
    """Error: the storage is away, and who asked would rather do without than wait (:func:`impatient`)."""


def now() -> float:
    """Return seconds on a clock that nobody sets, and that goes on while the machine is suspended."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class _Local(threading.local):
    """State of one thread: the operation on the storage that it is in."""

    inside = False
    retries = False
    impatient = False


class Guard:
    """Runs the operations of one storage, each of which happens whole or not at all.

    One that fails because the storage is away is tried again for as long as the patience says; one line on
    standard error says so. Every other error of the storage is raised as one line. An operation that calls
    others is tried again as a whole.

    Args:
        name: The storage, as it is named in messages.
        check: Called before every operation; raises ``StorageError`` if the storage is gone.
        patience: Seconds to wait for it; by default ten minutes.
        contact: Seconds to wait for a server that does not answer at all; by default as for anything else.

    Attributes:
        last_outage: When the last attempt of any thread that failed so ended, as :func:`now` counts; 0.0 if
            none did.
    """

    def __init__(
        self,
        name: str,
        check: Callable[[], None] = lambda: None,
        patience: float | None = None,
        contact: float | None = None,
    ) -> None:
        self.name = name
        self.check = check
        self.patience = PATIENCE_SECONDS if patience is None else patience
        self.contact = contact
        self.last_outage = 0.0
        self._local = _Local()
        # What each thread that waits waits for.
        self._waiting: dict[int, str] = {}
        self._away_since: float | None = None
        self._back = threading.Condition()

    @property
    def is_inside(self) -> bool:
        """Whether this thread is in an operation already, which is tried again as a whole."""
        return self._local.inside

    @property
    def retries(self) -> bool:
        """Whether the running operation has failed before: what it writes may be written already."""
        return self._local.retries

    @property
    def waits_for(self) -> str | None:
        """One line that says what the threads of this process wait for; ``None`` if none waits."""
        return self._away(next(iter(list(self._waiting.values())))) if self._waiting else None

    def _away(self, why: str) -> str:
        since = now() if self._away_since is None else self._away_since
        return f"the storage {self.name} is {why}, for {duration(now() - since)} now"

    def __call__(
        self,
        operation: Callable[_Parameters, _Result],
        *args: _Parameters.args,
        **kwargs: _Parameters.kwargs,
    ) -> _Result:
        """Call ``operation`` and return its result.

        Raises:
            StorageAway: If the storage is away and this thread is impatient.
            StorageError: If the storage is gone, fails, or is still away when the patience is over.
        """
        if self._local.inside:
            return operation(*args, **kwargs)
        if self._local.impatient and self._waiting:
            self._await_others()
        started, pause, told = now(), _FIRST_PAUSE, False
        try:
            while True:
                try:
                    self.check()
                    result = self._attempt(operation, *args, **kwargs)
                except KeyboardInterrupt:
                    self.patience = 0.0  # what is still to be put away is tried once
                    raise
                except Exception as error:
                    if isinstance(error, StorageError) or not is_of_storage(error):
                        raise
                    self.check()
                    why = passing(error)
                    if why is None:
                        raise self._refused(error) from error
                    self.last_outage = now()
                    self._away_since = self._away_since or started
                    self._waiting[threading.get_ident()] = why
                    told = self._wait(error, why, self.last_outage - started, pause, told)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    self._local.retries = True
                else:
                    self._away_since = None
                    if told:
                        notice(f"the storage {self.name} can be used again")
                    return result
        finally:
            self._local.retries = False
            if self._waiting.pop(threading.get_ident(), None) is not None:
                with self._back:
                    self._back.notify_all()

    def _attempt(
        self,
        operation: Callable[_Parameters, _Result],
        *args: _Parameters.args,
        **kwargs: _Parameters.kwargs,
    ) -> _Result:
        with whole():
            self._local.inside = True
            try:
                return operation(*args, **kwargs)
            finally:
                self._local.inside = False

    def _wait(self, error: Exception, why: str, waited: float, pause: float, told: bool) -> bool:
        """Sleep before the next attempt; return whether it has been told that this waits.

        Raises:
            StorageError: If the patience is over.
        """
        if self._local.impatient:
            if waited >= _IMPATIENT_SECONDS:
                raise StorageAway(self._away(why)) from error
        elif waited >= (self.patience if self.contact is None or why != UNREACHABLE else self.contact):
            raise StorageError(
                f"{self._away(why)}; what was finished before is kept: run the same command again to go on"
            ) from error
        elif waited >= _QUIET_SECONDS and not told:
            told = True
            notice(f"the storage {self.name} is {why}; waiting until that passes (Ctrl-C stops)")
        try:
            with lent(), interruptible():  # trainings beside this one need no storage
                # Spread: many workers do not all come at the moment when the server is up again.
                time.sleep(pause * random.uniform(0.5, 1.0))
        except KeyboardInterrupt:
            self.patience = 0.0
            raise
        return told

    def _await_others(self) -> None:
        """Wait until the threads that wait already are through: an attempt may take longer than there is.

        Raises:
            StorageAway: If they are not after two seconds.
        """
        with self._back:
            if not self._back.wait_for(lambda: not self._waiting, _IMPATIENT_SECONDS):
                raise StorageAway(self.waits_for or f"the storage {self.name} is away")

    @contextlib.contextmanager
    def impatient(self) -> Iterator[None]:
        """See :func:`impatient`."""
        before = self._local.impatient
        self._local.impatient = True
        try:
            yield
        finally:
            self._local.impatient = before

    def _refused(self, error: Exception) -> Exception:
        """Return the error to raise in place of one that will not pass."""
        reason = reason_of(error)
        if reason is None:
            return error
        if is_damage(error):
            return StorageError(f"the storage {self.name} is damaged: {reason}")
        return StorageError(f"the storage {self.name} failed: {reason}; what was finished before is kept")


def guard_of(storage: BaseStorage) -> Guard | None:
    """Return the guard of a storage that :func:`~optnas.storages.opening.open_storage` opened, if it did."""
    guard = getattr(backend_of(storage), "guard", None)
    return guard if isinstance(guard, Guard) else None


@contextlib.contextmanager
def impatient(storage: BaseStorage) -> Iterator[None]:
    """Raise :class:`StorageAway` in place of waiting longer than two seconds for the storage.

    It holds for the operations of this thread inside the context.
    """
    guard = guard_of(storage)
    with contextlib.nullcontext() if guard is None else guard.impatient():
        yield


def last_outage(storage: BaseStorage) -> float:
    """Return when the last failed attempt of any thread to use the storage ended; 0.0 if none failed.

    The time is that of :func:`now`.
    """
    guard = guard_of(storage)
    return 0.0 if guard is None else guard.last_outage


def waiting_for(storage: BaseStorage) -> str | None:
    """Return one line that says what this process waits for; ``None`` if it does not wait."""
    guard = guard_of(storage)
    return None if guard is None else guard.waits_for
