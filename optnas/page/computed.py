"""Cache of slow analyses of a study, each computed in a background thread and anew as trials finish."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import optuna

from optnas.errors import StorageError
from optnas.storages.waiting import impatient
from optnas.trials.optuna_internals import storage_of

__all__ = ["Computed"]

_Data = dict[str, Any]
_State = tuple[int, datetime | None]

_MOST_KEPT = 64
# An answer that comes within this many seconds is waited for.
_PATIENCE = 0.5
# Of a study that runs, an answer is of use for so many seconds, and for so many times as long as it took.
_LEAST_AGE, _TIMES_AS_LONG = 5.0, 10.0


@dataclass
class _Job:
    """One computation, running or done."""

    state: _State
    done: threading.Event = field(default_factory=threading.Event)
    found: _Data | None = None
    error: Exception | None = None
    until: float = 0.0


class Computed:
    """Cache of what was computed, the least recently asked for of which goes first; threads may share it.

    Args:
        most: The number of answers that are kept.
    """

    def __init__(self, most: int = _MOST_KEPT) -> None:
        self._most = most
        self._jobs: OrderedDict[tuple[int, str, str], _Job] = OrderedDict()
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()

    def of(
        self, number: int, study: optuna.Study, what: str, compute: Callable[[optuna.Study], _Data]
    ) -> _Data:
        """Return ``{"ready": False}`` until it is computed, then the answer with ``ready`` and ``finished``.

        ``finished`` is the number of finished trials when it was begun. While it is computed, trials that end
        begin nothing new.

        Args:
            number: The study's id in the storage.
            study: The study.
            what: The answer's name.
            compute: Returns it, as data for JSON.

        Raises:
            Exception: Whatever ``compute`` raised.
        """
        key, state = (number, study.study_name, what), _state_of(study)
        with self._lock:
            job = self._jobs.get(key)
            if job is None or (job.done.is_set() and job.state != state and time.monotonic() > job.until):
                if not self._has_room(key):
                    return {"ready": False}
                job = self._jobs[key] = _Job(state)
                threading.Thread(target=self._run, args=(job, study, compute), daemon=True).start()
            self._jobs.move_to_end(key)
        if not job.done.wait(_PATIENCE):
            return {"ready": False}
        if job.error is not None:
            raise job.error
        return {"ready": True, "finished": job.state[0], **(job.found or {})}

    def _has_room(self, key: tuple[int, str, str]) -> bool:
        """Forget what was not asked for lately, and return whether one more may be begun."""
        done = [each for each, job in self._jobs.items() if job.done.is_set() and each != key]
        while len(self._jobs) >= self._most and done:
            del self._jobs[done.pop(0)]
        return len(self._jobs) < self._most or key in self._jobs

    def _run(self, job: _Job, study: optuna.Study, compute: Callable[[optuna.Study], _Data]) -> None:
        with self._one_at_a_time, impatient(storage_of(study)):
            begun = time.monotonic()
            try:
                job.found = compute(study)
            except Exception as error:
                job.error = error
            took = time.monotonic() - begun
        # An absent storage may be back at once.
        away = isinstance(job.error, StorageError)
        job.until = time.monotonic() + (0 if away else max(_LEAST_AGE, _TIMES_AS_LONG * took))
        if away:
            job.state = (-1, None)
        job.done.set()


def _state_of(study: optuna.Study) -> _State:
    trials = study.get_trials(deepcopy=False)
    # A study that was deleted and made anew has other trials.
    return sum(trial.state.is_finished() for trial in trials), trials[0].datetime_start if trials else None
