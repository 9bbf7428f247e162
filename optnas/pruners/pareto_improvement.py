"""Stopping trials that are not going to improve the front."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optnas import pareto
from optnas.pruners.rungs import rungs_of
from optnas.region import Region
from optnas.samplers.fidelity import Line

__all__ = ["ParetoImprovementPruner"]

Array = NDArray[np.float64]

_ONE_AT_A_TIME = threading.Lock()
_DRAWN = 256


class ParetoImprovementPruner(BasePruner):
    """Stops a trial at a rung from where it would hardly ever come to improve the front.

    What a trial will come to is what trials came to that were like it at the rung: a line through these,
    with a deviation that says how far ends differ after equal beginnings (:mod:`optnas.samplers.fidelity`).
    It is stopped where the probability is below a threshold that this is on the front of the complete
    trials, and of use at all. So a rung that tells little stops little, however the others did there, and
    the threshold is the share of good trials that one is ready to lose.

    Args:
        threshold: The least probability with which a trial goes on.
        max_resource: What a trial is trained in full: nothing is stopped there or later.
        warmup: So many trials complete before any is stopped.
        region: Which values are of use.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        threshold: float = 0.05,
        *,
        max_resource: int | None = None,
        warmup: int = 5,
        region: Region | None = None,
    ) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"threshold={threshold}: it is a probability, between 0 and 1")
        if warmup < 2:
            raise ValueError(f"warmup={warmup}: it must be at least 2")
        self.threshold = threshold
        self.max_resource = max_resource
        self.warmup = warmup
        self.region = region or Region()
        self._ends: dict[int, tuple[Array, dict[int, Array]]] = {}
        self._study: tuple[object, int] | None = None
        self._looked = 0
        self._open: list[int] = []

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether ``trial`` ends with what it reported last."""
        rungs = rungs_of(trial)
        if not rungs or (self.max_resource is not None and max(rungs) >= self.max_resource):
            return False
        rung = max(rungs)
        signs = np.array([-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in study.directions])
        now = _signed(rungs[rung], signs)
        with _ONE_AT_A_TIME:
            self._read(study, signs)
            ends = np.array([end for end, _ in self._ends.values()])
            pairs = [(there[rung], end) for end, there in self._ends.values() if rung in there]
        if len(pairs) < self.warmup or not np.isfinite(now).all():
            return False
        return self._probability(now, pairs, ends, signs, trial.number) < self.threshold

    def _probability(
        self, now: Array, pairs: Sequence[tuple[Array, Array]], ends: Array, signs: Array, seed: int
    ) -> float:
        """Return the probability of being on the front and of use."""
        first, last = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
        lines = [Line.through(first[:, j], first[:, j], last[:, j]) for j in range(len(signs))]
        expected = np.array([line.end(value) for line, value in zip(lines, now, strict=True)])
        noise = np.random.default_rng(seed).standard_normal((_DRAWN, len(signs)))
        drawn = np.maximum(expected[:, 0] + expected[:, 1] * noise, self.region.best(signs))
        worst = self.region.worst(ends.min(axis=0), signs)
        of_use = ~(drawn > worst).any(axis=1)
        front = ends[pareto.front(ends)]
        dominated = (front[None] <= drawn[:, None]).all(axis=2) & (front[None] < drawn[:, None]).any(axis=2)
        return float(np.mean(of_use & ~dominated.any(axis=1)))

    def _read(self, study: Study, signs: Array) -> None:
        here = study._storage, study._study_id
        if self._study != here:
            self._study, self._looked, self._open, self._ends = here, 0, [], {}
        trials = study.get_trials(deepcopy=False)
        looked_at = [*self._open, *range(self._looked, len(trials))]
        self._looked, self._open = len(trials), []
        for number in looked_at:
            trial = trials[number]
            if not trial.state.is_finished():
                self._open.append(number)
            elif trial.state == TrialState.COMPLETE and not any(v > 0 for v in trial.constraints.values()):
                end = _signed(trial.values, signs)
                if len(trial.values) == len(signs) and np.isfinite(end).all():
                    rungs = rungs_of(trial).items()
                    there = {
                        rung: _signed(values, signs) for rung, values in rungs if len(values) == len(signs)
                    }
                    self._ends[number] = end, there


def _signed(values: Sequence[float], signs: Array) -> Array:
    return np.array([math.inf if value != value else value for value in values], dtype=float) * signs
