"""Base class of the loggers: errors of a logging service are reported once and never fail a trial."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ClassVar

import optuna
from optuna.trial import FrozenTrial

from optnas.errors import UserError
from optnas.loggers.entry import Entry
from optnas.shown import notice
from optnas.trials.optuna_internals import storage_of

__all__ = ["LoggerCallback", "logging_to"]

_AGAIN_SECONDS = 60.0
_LONGEST_REASON = 200


class LoggerCallback(ABC):
    """Optuna callback that logs every finished trial to one place.

    A trial that is there already is left as it is, so that several processes can log the same. One that
    cannot be logged waits, and is logged after a later one or by :meth:`flush`.

    Attributes:
        name: What messages call it, and the extra of optnas that it needs.
        packages: The packages that it needs.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self._waiting: list[Entry] = []
        self._again = 0.0
        self._told = False
        for package in self.packages:
            try:
                import_module(package)
            except ImportError as error:
                raise UserError(
                    f"logging to {self.name} needs pip install 'optnas[{self.name}]' ({error})"
                ) from None

    def begin(self) -> None:  # noqa: B027 - most have nothing to make
        """Create the experiment or folder, once, before several processes log to it. May raise anything."""

    @abstractmethod
    def log(self, entry: Entry) -> None:
        """Log a trial, unless it is there already. May raise anything."""

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._waiting.append(Entry.of(study, trial))
        if time.monotonic() >= self._again:
            self._send()

    def flush(self) -> None:
        """Log the trials that could not be logged before; if that fails again, report how many."""
        if self._waiting:
            self._send()
        if self._waiting:
            count = len(self._waiting)
            notice(f"{count} {'trial is' if count == 1 else 'trials are'} not logged to {self.name}")

    def prepare(self) -> None:
        """Set up the logging service before the first trial and before workers are started."""
        self._guarded(self.begin)

    def _send(self) -> None:
        while self._waiting:
            entry = self._waiting.pop(0)
            if not self._guarded(lambda entry=entry: self.log(entry)):  # type: ignore[misc]
                # Behind the others, should it be this one that the place refuses.
                self._waiting.append(entry)
                return

    def _guarded(self, step: Callable[[], None]) -> bool:
        """Do a step of logging, and return whether it succeeded; the first failure is told."""
        try:
            step()
        except Exception as error:
            self._again = time.monotonic() + _AGAIN_SECONDS
            if not self._told:
                reason = f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
                notice(f"{self.name} cannot be reached or written, trials go on without: {reason}")
            self._told = True
            return False
        return True

    @staticmethod
    def _module(name: str) -> Any:
        return import_module(name)


@contextmanager
def logging_to(study: optuna.Study, loggers: Sequence[LoggerCallback]) -> Iterator[Callable[[int], None]]:
    """Context manager: yield a function that logs a trial by its id to all loggers; flush them at the end."""

    def finished(trial_id: int) -> None:
        if loggers:  # else the trial is not read
            trial = storage_of(study).get_trial(trial_id)
            for logger in loggers:
                logger(study, trial)

    yield finished
    # Who is stopped does not wait for a place that is away.
    for logger in loggers:
        logger.flush()
