"""Trials of a study as JSON columns, in full or only those that finished after a cursor."""

from __future__ import annotations

import math
import re
import secrets
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from optnas.reports.front_table import objective_names
from optnas.trials.optuna_internals import storage_of
from optnas.trials.reader import Reader
from optnas.trials.record import ARCHITECTURE, COSTS, METRICS, is_feasible
from optnas.trials.rungs import rungs_of
from optnas.trials.states import state_of

__all__ = ["StudyColumns", "kind_of"]

# Waiting trials have nothing to show yet, and an enqueued table can be long.
_MOST_OPEN = 200
# Seven digits tell any two trials apart that a person would.
_DIGITS = 7
_WORD = re.compile(r"[^\W\d]\w*")

_Row = tuple[int, str, frozenset[str], dict[str, float], dict[str, float], dict[str, float], dict[str, Any]]
_GROUPS = ("values", "costs", "metrics", "params")


def kind_of(trial: FrozenTrial) -> str:
    """Return a trial's state as text, or ``infeasible`` if it finished and breaks a constraint."""
    ended = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
    return "infeasible" if ended and not is_feasible(trial) else state_of(trial)


class StudyColumns:
    """The trials of one study, each finished one kept as a short row; threads may share it.

    Args:
        study: The study.
    """

    def __init__(self, study: optuna.Study) -> None:
        self._study = study
        self._lock = threading.Lock()
        self._whole_of: tuple[str, int] | None = None
        self._whole: dict[str, Any] = {}
        self._reader: Reader[list[_Row]] = Reader(self._begin, self._take)

    def _begin(self, study: optuna.Study) -> list[_Row]:
        # A cursor of another server, or of a study that was deleted, begins anew.
        self._epoch = secrets.token_hex(4)
        # A study that was made anew may have other objectives.
        self._names = objective_names(
            optuna.load_study(study_name=study.study_name, storage=storage_of(study))
        )
        return []

    def _take(self, rows: list[_Row], trial: FrozenTrial) -> None:
        if trial.state.is_finished():
            rows.append(self._row(trial))

    def since(self, cursor: str) -> dict[str, Any]:
        """Return the trials that finished after ``cursor``, an empty one for all, and those still open.

        The answer is data for JSON; ``README.md`` of this room says what stands in it.
        """
        trials = self._study.get_trials(deepcopy=False)
        with self._lock:
            rows = self._reader.read(self._study, trials)
            epoch, total = self._epoch, len(rows)
            known = self._position(cursor, total)
            # Whoever opens the page asks for all, which takes most of the time of an answer.
            if known == 0 and (epoch, total) != self._whole_of:
                self._whole_of, self._whole = (epoch, total), self._columns(rows)
            finished = self._whole if known == 0 else self._columns(rows[known:])
        open_ = [trial for trial in trials if not trial.state.is_finished()]
        open_.sort(key=lambda trial: trial.state == TrialState.WAITING)
        return {
            "cursor": f"{epoch}-{total}",
            "reset": known == 0,
            "finished": finished,
            "open": self._columns([self._row(trial) for trial in open_[:_MOST_OPEN]]),
            "open_count": len(open_),
        }

    def _position(self, cursor: str, total: int) -> int:
        epoch, _, position = cursor.partition("-")
        if epoch != self._epoch or not position.isdecimal() or len(position) > 12:
            return 0
        return min(int(position), total)

    def _row(self, trial: FrozenTrial) -> _Row:
        costs, metrics = COSTS.get(trial, {}), METRICS.get(trial, {})
        words = frozenset(_WORD.findall(ARCHITECTURE.get(trial, "")))
        return (trial.number, kind_of(trial), words, self._values(trial), costs, metrics, trial.params)

    def _values(self, trial: FrozenTrial) -> dict[str, float]:
        """Return the objectives' values; of a trial that has none the last reported ones, and its costs."""
        if trial.state == TrialState.COMPLETE:
            return dict(zip(self._names, trial.values or (), strict=False))
        reported = list(rungs_of(trial).values())
        costs = COSTS.get(trial, {})
        known = {name: costs[name] for name in self._names if name in costs}
        last = reported[-1] if reported else trial.values or ()
        return dict(zip(self._names, last, strict=False)) | known

    def _columns(self, rows: Sequence[_Row]) -> dict[str, Any]:
        columns: dict[str, Any] = {
            "number": [row[0] for row in rows],
            "kind": _coded([row[1] for row in rows]),
            "ops": _coded_sets([row[2] for row in rows]),
        }
        for place, group in enumerate(_GROUPS, 3):
            of: list[dict[str, Any]] = [row[place] for row in rows]  # type: ignore[misc]
            names = dict.fromkeys(name for each in of for name in each)
            columns[group] = {name: _column([each.get(name) for each in of]) for name in names}
        return columns


def _column(values: list[Any]) -> Any:
    """Return numbers as a list in which null stands for a missing one, anything else as coded texts."""
    if all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values
    ):
        return [_short(value) for value in values]
    return _coded([None if value is None else str(value) for value in values])


def _short(value: float | None) -> float | None:
    if value is None or isinstance(value, int):
        return value
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None


def _coded(texts: Iterable[str | None]) -> dict[str, Any]:
    """Return texts as ``words`` and the ``codes`` of each, which are indices of them; -1 is none."""
    words: dict[str, int] = {}
    codes = [-1 if text is None else words.setdefault(text, len(words)) for text in texts]
    return {"words": list(words), "codes": codes}


def _coded_sets(sets: Iterable[frozenset[str]]) -> dict[str, Any]:
    """Return sets of words as :func:`_coded` does, each distinct set a list of indices of ``words``."""
    words: dict[str, int] = {}
    known: dict[frozenset[str], int] = {}
    codes = [known.setdefault(each, len(known)) for each in sets]
    listed = [[words.setdefault(word, len(words)) for word in sorted(each)] for each in known]
    return {"words": list(words), "sets": listed, "codes": codes}
