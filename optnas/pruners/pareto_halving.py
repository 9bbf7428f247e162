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
    """Pruner that stops a trial at a rung if it is dominated there and not among the rung's best 1/η.

    Asynchronous successive halving (Li et al. 2020, arXiv 1810.05934, in its stopping form) with the
    order of NSGA-II in place of one value: by non-domination rank, and within a rank by hypervolume
    contribution (with more than two objectives by crowding distance). Both are computed from the order of
    the rung's trials along each objective, so decisions are the same whatever an objective's unit or zero
    is, and costs need not be given as logarithms.

    A trial on the rung's front is never stopped: with several objectives the front can be more than
    1/η of the trials, and it is what the search is for. So a trial that dominates all others always
    continues. Equal values share a position, and of two trials of equal cost the one that is better in the
    rest dominates. But trials that a noisy first rung misjudges are lost; where learning curves cross late,
    begin with a later rung.

    Values at rungs are those given to :func:`optnas.report`; trials without any are never stopped. The
    first report at a rung, or between it and the next, is the one that counts and that is decided on. A
    trial that broke a constraint is not ranked: it is worse than all that did not.

    Args:
        reduction_factor: η: 1/η of a rung's trials continue, and rungs grow by this factor. At least 2. If
            the next rung, or ``max_resource``, is further than η times this one, fewer continue: as many
            as make that part of the training cost no more than the one before.
        min_resource: The first rung, in the unit of the reported steps. The others are this times η,
            η², ….
        max_resource: The step at which a trial is fully trained: nothing is stopped there or later. By
            default it is unknown, and a trial that reports at its very end may be stopped there.
        rungs: The rungs, in place of those of ``min_resource`` and ``reduction_factor``.
        warmup: Number of trials that a rung lets through before it stops any: by default η, so that the
            first arrivals are treated the same whatever their order.

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
        """Return whether ``trial`` is stopped after its last report."""
        rung = self.decides_at(trial)
        if rung is None:
            return False
        with ONE_AT_A_TIME:
            ranking = self._standings.read(study)[rung]
            return len(ranking) > self.warmup and not self.is_among_best(ranking, trial.number, rung)

    def decides_at(self, trial: FrozenTrial) -> int | None:
        """Return the rung that ``trial`` reached with its last report; ``None`` if it reached no new one."""
        *before, step = rungs_of(trial) or [0]
        rung = self.rung_at(step)
        return None if any(self.rung_at(earlier) == rung for earlier in before) else rung

    def is_among_best(self, ranking: Ranking, number: int, rung: int) -> bool:
        """Return whether a trial is on a rung's front or among the share that continues."""
        if number not in ranking:  # it broke a constraint
            return False
        count = math.ceil(len(ranking) * self.share_at(rung))
        return ranking.rank(number) == 0 or ranking.is_among_first(number, count)

    def share_at(self, rung: int) -> float:
        """Return the share of a rung's trials that continues."""
        further = rung * self.reduction_factor
        ahead = [further] if self.rungs is None else [other for other in self.rungs if other > rung]
        if self.max_resource is not None:
            ahead.append(self.max_resource)
        return min(1 / self.reduction_factor, rung / min(ahead, default=further))

    def rung_at(self, step: int) -> int | None:
        """Return the last rung at or before ``step``; ``None`` without one, or at the end of training."""
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
        """Return a trial's first report at each rung."""
        found: dict[int, list[float]] = {}
        for step, values in rungs_of(trial).items():
            rung = self.rung_at(step)
            if rung is not None:
                found.setdefault(rung, values)
        return found
