"""Pruner that stops trials with little probability to improve the Pareto front."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
from numpy.typing import NDArray
from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial

from optnas import pareto
from optnas.samplers.domain import Domain, FlatDomain
from optnas.samplers.fidelity import predict_final
from optnas.samplers.forecast import FinalValues, Forecast
from optnas.samplers.history import Observation, merge_resumed, observed
from optnas.trials.directions import signs_of
from optnas.trials.reader import Reader
from optnas.trials.rungs import rungs_of

__all__ = ["ParetoImprovementPruner"]

Array = NDArray[np.float64]

_ONE_AT_A_TIME = threading.Lock()
_DRAWN = 64


class ParetoImprovementPruner(BasePruner):
    """Pruner that stops the trials of a rung that are least likely to improve the Pareto front.

    The final values of all trials that reached the rung are forecast from trials trained further, by the
    values there, the candidate's features and its training parameters (:mod:`optnas.samplers.forecast`).
    That gives each trial a probability to be on the front of the complete ones and inside the region of
    interest. The trials of lowest probability are stopped that have, together, a small share of the sum.
    So a rung that tells little stops few, and one that tells nothing stops next to none.

    Args:
        domain: The search space with its features and region of interest; without one, trials are judged
            by their values alone.
        threshold: The share of the summed probability of improvement that may be lost at a rung.
        max_resource: The step at which a trial is fully trained: nothing is stopped there or later.
        warmup: Number of complete trials that passed the rung before any is stopped there.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        domain: Domain | None = None,
        *,
        threshold: float = 0.1,
        max_resource: int | None = None,
        warmup: int = 8,
    ) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"threshold={threshold}: it is a share, between 0 and 1")
        if warmup < 2:
            raise ValueError(f"warmup={warmup}: it must be at least 2")
        self.threshold = threshold
        self.max_resource = max_resource
        self.warmup = warmup
        self._domain = FlatDomain({}) if domain is None else domain
        self._reader = Reader(self._begin, self._take)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether ``trial`` is stopped after its last report."""
        rung = max(rungs_of(trial), default=None)
        if rung is None or (self.max_resource is not None and rung >= self.max_resource):
            return False
        signs = signs_of(study)
        mine = observed(trial, self._domain, signs)
        if rung not in mine.rungs:
            return False
        with _ONE_AT_A_TIME:
            ended = self._reader.read(study, study.get_trials(deepcopy=False))
            finished = merge_resumed(ended.observations[number] for number in sorted(ended.observations))
            there = [o for o in finished if o.reached is not None and rung in o.rungs and not o.hopeless]
            there = [o for o in there if np.isfinite(o.rungs[rung]).all()]
            if sum(o.complete for o in there) < self.warmup:
                return False
            if not np.isfinite(mine.rungs[rung]).all():
                return True
            ends = predict_final(finished, rung, [*there, mine], ended.forecast)
        complete = np.array([o.values for o in finished if o.complete])
        chances = self._chances(ends, complete, signs)
        return bool(chances[chances <= chances[-1]].sum() <= self.threshold * chances.sum())

    def _chances(self, ends: FinalValues, complete: Array, signs: Array) -> Array:
        """Return each trial's probability to be on the front and inside the region, shape (trials,).

        Args:
            ends: The predicted final values of the trials.
            complete: The values of complete trials, shape (trials, objectives).
            signs: 1 for each objective to be minimised, -1 for each to be maximised.
        """
        region = self._domain.region
        # The same noise for all trials, so that only their predictions differ.
        noise = np.random.default_rng(0).standard_normal((_DRAWN, 1, len(signs)))
        drawn = np.maximum(ends.at(noise), region.best(signs))
        front = complete[pareto.front(complete)][:, None, None]
        dominated = pareto.dominates(front, drawn).any(axis=0)
        useless = dominated | np.any(drawn > region.worst(complete.min(axis=0), signs), axis=2)
        return np.asarray(1 - np.mean(useless, axis=0))

    def _begin(self, study: Study) -> _Ended:
        signs = signs_of(study)
        return _Ended(signs, Forecast(self._domain, signs), {})

    def _take(self, ended: _Ended, trial: FrozenTrial) -> None:
        if trial.state.is_finished():
            ended.observations[trial.number] = observed(trial, self._domain, ended.signs)


@dataclasses.dataclass
class _Ended:
    signs: Array
    forecast: Forecast
    observations: dict[int, Observation]
