"""Stopping trials that are not going to improve the front."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optnas import pareto
from optnas.pruners.rungs import rungs_of
from optnas.region import Region
from optnas.samplers.fidelity import Line
from optnas.samplers.history import signs_of

__all__ = ["ParetoImprovementPruner"]

Array = NDArray[np.float64]

_ONE_AT_A_TIME = threading.Lock()
_DRAWN = 64
_WORST = 1e12


class ParetoImprovementPruner(BasePruner):
    """Stops a trial at a rung from where it would hardly ever come to improve the front.

    What a trial will come to is what trials came to that were like it at the rung: a line through these,
    with a deviation that says how far ends differ after equal beginnings (:mod:`optnas.samplers.fidelity`).
    That gives every trial that reached the rung a probability to be on the front of the complete ones, and
    of use at all. Those of the least are stopped that have, together, a small share of all of it. So a rung
    that tells little stops little, and one that tells nothing stops next to nothing.

    Args:
        threshold: The share of the improvements that one is ready to lose at a rung.
        max_resource: What a trial is trained in full: nothing is stopped there or later.
        warmup: So many trials complete before any is stopped.
        region: Which values are of use.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        threshold: float = 0.1,
        *,
        max_resource: int | None = None,
        warmup: int = 5,
        region: Region | None = None,
    ) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"threshold={threshold}: it is a share, between 0 and 1")
        if warmup < 2:
            raise ValueError(f"warmup={warmup}: it must be at least 2")
        self.threshold = threshold
        self.max_resource = max_resource
        self.warmup = warmup
        self.region = region or Region()
        self._study: tuple[object, int] | None = None
        self._looked = 0
        self._open: list[int] = []
        self._rungs: dict[int, dict[int, Array]] = {}
        self._ends: dict[int, Array] = {}

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether ``trial`` ends with what it reported last."""
        rung = max(rungs_of(trial), default=None)
        if rung is None or (self.max_resource is not None and rung >= self.max_resource):
            return False
        signs = signs_of(study)
        with _ONE_AT_A_TIME:
            self._read(study, signs)
            numbers = [number for number, rungs in self._rungs.items() if rung in rungs]
            there = np.array([self._rungs[number][rung] for number in numbers])
            ends = np.array([self._ends.get(number, np.full(len(signs), np.nan)) for number in numbers])
            every = np.array(list(self._ends.values()))
        complete = np.isfinite(ends).all(axis=1) if len(ends) else np.zeros(0, dtype=bool)
        if complete.sum() < self.warmup or trial.number not in numbers:
            return False
        chances = self._chances(there, there[complete], ends[complete], every, signs)
        mine = chances[numbers.index(trial.number)]
        return bool(chances[chances <= mine].sum() <= self.threshold * chances.sum())

    def _chances(self, now: Array, first: Array, last: Array, ends: Array, signs: Array) -> Array:
        """Return the probability of each trial to be on the front and of use.

        Args:
            now: What the trials have at the rung, shape (trials, objectives).
            first: What those have there that are complete.
            last: And what these came to.
            ends: What all complete trials came to.
            signs: 1 for each objective to be minimised, -1 for each to be maximised.
        """
        lines = [Line.through(*columns) for columns in zip(now.T, first.T, last.T, strict=True)]
        expected = np.array([line.ends(column) for line, column in zip(lines, now.T, strict=True)])
        means, deviations = expected.transpose(1, 2, 0)
        # The same for all, so that trials differ by what they are.
        noise = np.random.default_rng(0).standard_normal((_DRAWN, 1, len(signs)))
        drawn = np.maximum(means + deviations * noise, self.region.best(signs))
        front = ends[pareto.front(ends)][:, None, None]
        dominated = np.any(np.all(front <= drawn, axis=3) & np.any(front < drawn, axis=3), axis=0)
        useless = dominated | np.any(drawn > self.region.worst(ends.min(axis=0), signs), axis=2)
        return np.asarray(1 - np.mean(useless, axis=0))

    def _read(self, study: Study, signs: Array) -> None:
        here = study._storage, study._study_id
        if self._study != here:
            self._study, self._looked, self._open, self._rungs, self._ends = here, 0, [], {}, {}
        trials = study.get_trials(deepcopy=False)
        looked_at = [*self._open, *range(self._looked, len(trials))]
        self._looked, self._open = len(trials), []
        for number in looked_at:
            trial = trials[number]
            if not trial.state.is_finished():
                self._open.append(number)
            if trial.state == TrialState.FAIL or any(broken > 0 for broken in trial.constraints.values()):
                self._rungs.pop(number, None)
                continue
            found = {rung: _signed(values, signs) for rung, values in rungs_of(trial).items()}
            self._rungs[number] = {
                rung: values for rung, values in found.items() if len(values) == len(signs)
            }
            if trial.state == TrialState.COMPLETE and len(trial.values) == len(signs):
                self._ends[number] = _signed(trial.values, signs)


def _signed(values: Sequence[float], signs: Array) -> Array:
    """Return values to be minimised; what is not a number is worse than everything that is."""
    found = np.array(values, dtype=float)
    found = found * signs if len(found) == len(signs) else found
    finite: Array = np.nan_to_num(found, nan=_WORST, posinf=_WORST, neginf=-_WORST)
    return finite
