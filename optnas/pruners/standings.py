"""Who stands where at each rung of a study."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optnas.ranking import Ranking

__all__ = ["ONE_AT_A_TIME", "Standings"]

# Threads of ``study.optimize(n_jobs=…)`` share a pruner and its standings: whoever reads them holds this
# until it has decided.
ONE_AT_A_TIME = threading.Lock()

Choose = Callable[[FrozenTrial], Mapping[int, list[float]]]
"""Returns what of a trial's reports counts, by rung."""


class Standings:
    """The rankings of a study's trials at each rung.

    A fold over the trials in the storage, of which those that ended are looked at only once. Trials
    that failed or broke a constraint stand nowhere: what they had at a rung came to nothing.

    Args:
        choose: Which of a trial's reports counts at which rung.
    """

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._study: tuple[Any, int] | None = None
        self._looked = 0
        self._open: list[int] = []
        self._rankings: dict[int, Ranking] = {}

    def read(self, study: Study) -> Mapping[int, Ranking]:
        """Return the ranking at each rung, its keys the trials' numbers."""
        here = study._storage, study._study_id
        if self._study != here:
            self._study, self._looked, self._open, self._rankings = here, 0, [], defaultdict(Ranking)
        signs = [-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in study.directions]
        trials = study.get_trials(deepcopy=False)
        looked_at = [*self._open, *range(self._looked, len(trials))]
        self._looked, self._open = len(trials), []
        for number in looked_at:
            if not trials[number].state.is_finished():
                self._open.append(number)
            self._take(trials[number], signs)
        return self._rankings

    def _take(self, trial: FrozenTrial, signs: list[float]) -> None:
        counts = self._choose(trial)
        if trial.state == TrialState.FAIL or any(broken > 0 for broken in trial.constraints.values()):
            counts = {}
        for rung, values in counts.items():
            if len(values) == len(signs):
                self._rankings[rung].put(trial.number, map(math.prod, zip(values, signs, strict=True)))
        for rung, ranking in self._rankings.items():
            if rung not in counts:
                ranking.drop(trial.number)
