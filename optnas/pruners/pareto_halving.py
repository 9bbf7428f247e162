"""Asynchronous successive halving on several objectives."""

from __future__ import annotations

import math
from collections.abc import Sequence

from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial

from optnas.pareto.ranking import Ranking
from optnas.pruners.standings import ONE_AT_A_TIME, Standings
from optnas.trials.rungs import rungs_of

__all__ = ["ParetoHalvingPruner"]


class ParetoHalvingPruner(BasePruner):
    """Stops a trial at a rung that is dominated there and not among the rung's best 1/η.

    Asynchronous successive halving (Li et al. 2020, arXiv 1810.05934, in its stopping form) with the
    order of NSGA-II instead of one value: by non-domination rank, and within a rank by the hypervolume
    that would be lost without the trial (with more than two objectives by crowding distance). Both are
    taken on the places of the rung's trials along each objective, so decisions are the same whatever an
    objective's unit or zero is, and costs need not be given as logarithms.

    A trial on the rung's front is never stopped: with several objectives the front can be more than
    1/η of the trials, and it is what the search is for. So what dominates everything goes on always.
    Equal values share a place, and equal costs do dominate where the rest is better. What a noisy first rung
    misjudges is lost, though; where trainings take turns late, begin with a later rung.

    Values at rungs are those given to :func:`optnas.report`; trials without any are never stopped. The
    first report at a rung or between it and the next is what counts there, and when it is decided. A
    trial that broke a constraint stands nowhere: it is worse than all that did not.

    Args:
        reduction_factor: η: 1/η of a rung's trials go on, and by this factor rungs grow. At least 2. Where
            the next rung, or ``max_resource``, is further than η times this one, fewer go on: as many
            as make that part of the training cost no more than the one before.
        min_resource: The first rung, in the unit of the reported steps. The others are this times η,
            η², ….
        max_resource: What a trial is trained in full: nothing is stopped there or later. By default
            nobody knows, and a trial that reports at its very end may be stopped there.
        rungs: The rungs, in place of those of ``min_resource`` and ``reduction_factor``.
        warmup: How many trials a rung lets through before it stops any: by default η, so that the first
            arrivals are treated the same whatever their order.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        reduction_factor: int = 3,
        *,
        min_resource: int = 1,
        max_resource: int | None = None,
        rungs: Sequence[int] | None = None,
        warmup: int | None = None,
    ) -> None:
        if reduction_factor < 2:
            raise ValueError(f"reduction_factor={reduction_factor}: it must be at least 2")
        if min_resource < 1:
            raise ValueError(f"min_resource={min_resource}: it must be at least 1")
        if max_resource is not None and max_resource <= min_resource:
            raise ValueError(f"max_resource={max_resource}: it must be more than min_resource={min_resource}")
        if rungs is not None and (min_resource != 1 or min(rungs, default=1) < 1):
            raise ValueError(f"rungs={rungs!r}: give steps of at least 1, and no min_resource beside them")
        if warmup is not None and warmup < 0:
            raise ValueError(f"warmup={warmup}: it must be at least 0")
        self.reduction_factor = reduction_factor
        self.min_resource = min_resource
        self.max_resource = max_resource
        self.rungs = None if rungs is None else tuple(sorted(set(rungs)))
        self.warmup = reduction_factor if warmup is None else warmup
        self._standings = Standings(self._at_rungs)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether ``trial`` ends with what it reported last."""
        rung = self.decides_at(trial)
        if rung is None:
            return False
        with ONE_AT_A_TIME:
            ranking = self._standings.read(study)[rung]
            return len(ranking) > self.warmup and not self.is_among_best(ranking, trial.number, rung)

    def decides_at(self, trial: FrozenTrial) -> int | None:
        """Return the rung that ``trial`` reached with its last report; none where it reached none then."""
        *before, step = rungs_of(trial) or [0]
        rung = self.rung_at(step)
        return None if any(self.rung_at(earlier) == rung for earlier in before) else rung

    def is_among_best(self, ranking: Ranking, number: int, rung: int) -> bool:
        """Return whether that trial is on a rung's front or among the share that goes on from there."""
        if number not in ranking:  # it broke a constraint
            return False
        count = math.ceil(len(ranking) * self.share_at(rung))
        return ranking.rank(number) == 0 or ranking.is_among_first(number, count)

    def share_at(self, rung: int) -> float:
        """Return which share of a rung's trials goes on."""
        further = rung * self.reduction_factor
        ahead = [further] if self.rungs is None else [other for other in self.rungs if other > rung]
        if self.max_resource is not None:
            ahead.append(self.max_resource)
        return min(1 / self.reduction_factor, rung / min(ahead, default=further))

    def rung_at(self, step: int) -> int | None:
        """Return the last rung that a trial of so many steps has reached; none where nothing is decided."""
        if self.max_resource is not None and step >= self.max_resource:
            return None
        if self.rungs is not None:
            return max((rung for rung in self.rungs if rung <= step), default=None)
        if step < self.min_resource:
            return None
        rung = self.min_resource
        while rung * self.reduction_factor <= step:
            rung *= self.reduction_factor
        return rung

    def _at_rungs(self, trial: FrozenTrial) -> dict[int, list[float]]:
        """Return the first of a trial's reports at each rung."""
        found: dict[int, list[float]] = {}
        for step, values in rungs_of(trial).items():
            rung = self.rung_at(step)
            if rung is not None:
                found.setdefault(rung, values)
        return found
