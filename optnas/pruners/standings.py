"""Rankings of a study's trials at each rung."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optnas.pareto.ranking import Ranking
from optnas.trials.directions import signs_of
from optnas.trials.reader import Reader
from optnas.trials.record import constraints_of

__all__ = ["ONE_AT_A_TIME", "Standings"]

# Threads of ``study.optimize(n_jobs=…)`` share a pruner and its standings: a thread holds this lock from
# reading them until it has decided.
ONE_AT_A_TIME = threading.Lock()

Choose = Callable[[FrozenTrial], Mapping[int, list[float]]]
"""Function that returns the reports of a trial that count, by rung."""


class Standings:
    """Rankings of a study's trials at each rung.

    Trials that failed or broke a constraint are not ranked, as their reports led to no result.

    Args:
        choose: Returns the reports of a trial that count, by rung.
    """

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._reader = Reader(_Rankings, self._take)

    def read(self, study: Study) -> Mapping[int, Ranking]:
        """Return the ranking at each rung; its keys are the trials' numbers."""
        return self._reader.read(study, study.get_trials(deepcopy=False)).by_rung

    def _take(self, rankings: _Rankings, trial: FrozenTrial) -> None:
        counts = self._choose(trial)
        if trial.state == TrialState.FAIL or any(broken > 0 for broken in constraints_of(trial).values()):
            counts = {}
        for rung, values in counts.items():
            if len(values) == len(rankings.signs):
                signed = [value * sign for value, sign in zip(values, rankings.signs, strict=True)]
                rankings.by_rung[rung].put(trial.number, signed)
        for rung, ranking in rankings.by_rung.items():
            if rung not in counts:
                ranking.drop(trial.number)


class _Rankings:
    def __init__(self, study: Study) -> None:
        self.signs: list[float] = signs_of(study).tolist()
        self.by_rung: defaultdict[int, Ranking] = defaultdict(Ranking)
