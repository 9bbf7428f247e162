"""Turns of the threads of one process at running trials, as ``study.optimize(…, n_jobs=2)`` starts them.

PyTorch has one random generator, one number of threads and one allocator a process. Two trainings at once
would draw from one sequence, and neither could be repeated.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from optuna.storages import BaseStorage
from optuna.trial import Trial

from optnas.trials.optuna_internals import cache_trials, identity

__all__ = ["turn"]

# Optuna stores the values of a trial right after its objective has returned.
_MOST_SECONDS = 1.0
_POLL_SECONDS = 0.005

_lock = threading.RLock()
_told = threading.Event()
# The trial that each thread ran last.
_last: dict[int, tuple[tuple[BaseStorage, int], int]] = {}


@contextmanager
def turn(trial: Trial) -> Iterator[None]:
    """Wait until no other thread of this process runs a trial in such a context, and its values are stored.

    Each trial then knows of all before it, as without threads. Warns once if it has to wait.
    """
    if not _lock.acquire(blocking=False):
        if not _told.is_set():
            _told.set()
            warnings.warn(
                "trainings of one process take turns, as PyTorch has one random generator a process: n_jobs"
                " makes them no faster; optnas run --workers 2 runs them side by side",
                stacklevel=2,
            )
        _lock.acquire()
    try:
        here, own = identity(trial.study), threading.get_ident()
        others = [number for thread, (study, number) in _last.items() if thread != own and study == here]
        if others:
            _read_anew(trial, others)
        _last[own] = here, trial.number
        yield
    finally:
        _lock.release()


def _read_anew(trial: Trial, others: list[int]) -> None:
    """Read the study's trials, once ``others`` are finished, for all that looks at them in this trial."""
    started = time.monotonic()
    while True:
        trials = trial.study.get_trials(deepcopy=False)
        cache_trials(trial.study, trials)
        if all(trials[number].state.is_finished() for number in others):
            return
        if time.monotonic() - started > _MOST_SECONDS:
            return
        time.sleep(_POLL_SECONDS)
