"""Incremental reader of a study's trials: each finished trial is processed only once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial

from optnas.trials.optuna_internals import identity

__all__ = ["Reader"]

_State = TypeVar("_State")


class Reader(Generic[_State]):
    """Incremental fold of a study's trials into a state, which each reading updates.

    If another study is read, or one that was deleted and made anew, the state begins anew. Threads that
    share a reader must hold a lock while they read and while they use the state.

    Args:
        begin: Returns the state before any trial of a study.
        take: Updates the state with a trial: a finished one once, any other at every reading.
    """

    def __init__(self, begin: Callable[[Study], _State], take: Callable[[_State, FrozenTrial], None]) -> None:
        self._begin = begin
        self._take = take
        self._study: tuple[BaseStorage, int] | None = None
        self._state: _State
        self._looked = 0
        self._open: list[int] = []
        self._first: FrozenTrial | None = None

    def read(self, study: Study, trials: list[FrozenTrial]) -> _State:
        """Return the state after ``trials``, which are all of the study's in the order of their numbers."""
        here = identity(study)
        if self._study != here or not self._goes_on(trials):
            self._study, self._state, self._looked, self._open = here, self._begin(study), 0, []
            self._first = None
        looked_at = [*self._open, *range(self._looked, len(trials))]
        self._looked, self._open = max(self._looked, len(trials)), []
        for number in looked_at:
            # Another thread may have seen more trials than this one.
            if number >= len(trials) or not trials[number].state.is_finished():
                self._open.append(number)
            if number < len(trials):
                self._take(self._state, trials[number])
                if self._first is None and trials[number].state.is_finished():
                    self._first = trials[number]
        return self._state

    def _goes_on(self, trials: list[FrozenTrial]) -> bool:
        """Return whether the first finished trial is the same as before: ids are given away again."""
        first = self._first
        if first is None:
            return True
        now = trials[first.number] if first.number < len(trials) else None
        return now is first or (now is not None and _times(now) == _times(first))


def _times(trial: FrozenTrial) -> tuple[object, ...]:
    return trial.datetime_start, trial.datetime_complete
