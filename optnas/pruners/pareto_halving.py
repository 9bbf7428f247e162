"""Asynchronous successive halving on several objectives."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optnas.pareto import contributions, ranks, scaled
from optnas.pruners.rungs import PREFIX, rungs_of

__all__ = ["ParetoHalvingPruner"]


class ParetoHalvingPruner(BasePruner):
    """Stops a trial at a rung that is dominated there and not among the rung's best 1/η.

    Asynchronous successive halving (Li et al. 2020, arXiv 1810.05934, Algorithm 2, in its stopping
    form) with the order of NSGA-II instead of one value: by non-domination rank, and within a front
    by the hypervolume that would be lost without the trial, on values brought to the range seen at
    the rung; values of one sign that span more than a factor of ten, as costs do, go in as logarithms.

    A trial on the rung's front is never stopped: with several objectives the front can be more than
    1/η of the trials, and it is what the search is for. Equal values share a place, so the order of
    arrival does not matter among them.

    Values at rungs are those given to :func:`optnas.report`; trials without any are never stopped.

    Args:
        reduction_factor: η: which share of a rung's trials goes on. At least 2.
        warmup: How many trials a rung lets through before it stops any.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(self, reduction_factor: int = 3, warmup: int = 3) -> None:
        if reduction_factor < 2:
            raise ValueError(f"reduction_factor={reduction_factor}: it must be at least 2")
        if warmup < 0:
            raise ValueError(f"warmup={warmup}: it must be at least 0")
        self.reduction_factor = reduction_factor
        self.warmup = warmup

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether ``trial`` ends at its last rung."""
        rungs = rungs_of(trial)
        if not rungs:
            return False
        rung = max(rungs)
        key = f"{PREFIX}{rung}"
        signs = np.array([1 if d == StudyDirection.MINIMIZE else -1 for d in study.directions])
        others = [
            other.user_attrs[key]
            for other in study.get_trials(deepcopy=False)
            if key in other.user_attrs and other.number != trial.number and other.state != TrialState.FAIL
        ]
        values = np.array([rungs[rung], *others], dtype=float) * signs
        if len(others) < self.warmup:
            return False
        # What is not a number is worse than everything.
        values[np.isnan(values)] = np.inf
        fronts = ranks(values)
        if fronts[0] == 0:
            return False
        return _place(values, fronts) >= math.ceil(len(values) / self.reduction_factor)


def _place(values: NDArray[np.float64], fronts: NDArray[np.intp]) -> int:
    """Return how many points stand before the first one."""
    ahead = int(np.sum(fronts < fronts[0]))
    level = np.flatnonzero(fronts == fronts[0])
    if len(level) == 1:
        return ahead
    # Of equal points each one's loss would be made up for by the other: look at them once.
    alike = scaled(values)[level]
    distinct, inverse, counts = np.unique(alike, axis=0, return_inverse=True, return_counts=True)
    lost = contributions(distinct, [1.1] * values.shape[1])
    mine = lost[inverse.reshape(-1)[0]]
    return ahead + int(counts[lost > mine * (1 + 1e-9)].sum())
