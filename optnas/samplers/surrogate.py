"""What the trials so far say of candidates: how much each would add to the front, and whether it can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import TrialState
from scipy.special import ndtr

from optnas import pareto
from optnas.samplers.encoding import Encoding
from optnas.samplers.gaussian_process import GaussianProcess
from optnas.samplers.history import History, Observation
from optnas.samplers.improvement import Belief, Known, LogNormal, expected_improvement, log_distance

__all__ = ["Surrogate", "told"]

Array = NDArray[np.float64]

# Of more observations the model looks at the better half of so many, and at some of the others.
_OBSERVED = 1_000
# The fit of the length scales looks at so many.
_FITTED = 150
# How far beyond the worst that counts the reference point lies, in shares of the range.
_BEYOND = 0.1


def told(history: History) -> list[Observation]:
    """Return the trials that say what a candidate's values are."""
    return [o for o in history.finished if np.isfinite(_values(o)).all()]


def _values(observation: Observation) -> Array:
    """Return what a trial found; of one that was pruned what it had by then."""
    if observation.state == TrialState.PRUNED and observation.rungs:
        return observation.rungs[max(observation.rungs)]
    return observation.values


def _failed(observation: Observation) -> bool:
    return observation.violation > 0 or observation.state == TrialState.FAIL


class Surrogate:
    """A Gaussian process for each objective that only a trial can tell, and one for whether it succeeds.

    Args:
        encoding: Of the candidates.
        history: What the trials say; at least two of them tell values.
        running: What is known of the candidates of :attr:`History.running`, shape (running, objectives),
            NaN where only a trial can tell.
        known: The same of candidates that stand for all, shape (candidates, objectives).
    """

    def __init__(self, encoding: Encoding, history: History, running: Array, known: Array) -> None:
        self._encoding = encoding
        observed = told(history)
        values = np.array([_values(o) for o in observed])
        self._modelled = np.flatnonzero(~np.isfinite(known).all(axis=0))
        self._known = np.flatnonzero(np.isfinite(known).all(axis=0))
        self._wide = _wide(np.concatenate([values, known]))
        values, known = self._scaled(values), self._scaled(known)
        every = np.concatenate([values, known])[:, self._known]
        self._low, self._span = every.min(axis=0), np.ptp(every, axis=0)
        self._groups = _with_more(encoding.groups, len(self._known))

        counts = np.array([o.complete for o in observed])
        front = values[counts][pareto.front(values[counts])]
        self._reference = _reference(front if len(front) else values, every, self._known)
        self._fit([o.params for o in observed], values)
        self._fit_success(history, known)
        if history.running:
            front = self._believe(history.running, self._scaled(running), front)
        self._front = front

    def gain(self, params: Sequence[Mapping[str, Any]], known: Array) -> Array:
        """Return how much hypervolume each candidate is expected to add.

        Args:
            params: Of the candidates.
            known: What is known of them, shape (candidates, objectives); NaN where nothing is.

        Returns:
            Shape (candidates,).
        """
        known = self._scaled(known)
        X = self._points(params, known)
        gain = expected_improvement(self._front, self._reference, self._beliefs(X, known))
        if self._success is not None:
            mean, deviation = self._success.predict(X)
            # As much as nothing is gained where success is all but excluded, so let it break the tie.
            gain = (gain + 1e-12) * ndtr(mean / deviation)
        return gain

    def _beliefs(self, X: Array, known: Array) -> list[Belief]:
        beliefs: list[Belief] = [Known(column) for column in known.T]
        for objective, floor, process in zip(self._modelled, self._floors, self._processes, strict=True):
            beliefs[objective] = LogNormal(floor, *process.predict(X))
        return beliefs

    def _fit(self, params: list[Mapping[str, Any]], values: Array) -> None:
        some = _some(values)
        X = self._points([params[i] for i in some], values[some])
        self._floors, self._processes = [], []
        for objective in self._modelled:
            heights, floor = log_distance(values[some, objective])
            self._floors.append(floor)
            self._processes.append(GaussianProcess.fit(X, heights, self._groups, _FITTED))

    def _fit_success(self, history: History, known: Array) -> None:
        self._success: GaussianProcess | None = None

    def _believe(self, running: Sequence[Mapping[str, Any]], known: Array, front: Array) -> Array:
        """Take ``running`` to be as predicted, and return the front with them."""
        X = self._points(running, known)
        values = known.copy()
        for i, objective in enumerate(self._modelled):
            values[:, objective] = self._floors[i] + np.exp(self._processes[i].predict(X)[0])
            self._processes[i] = self._processes[i].believing(X)
        values = np.concatenate([front, values])
        return values[pareto.front(values)]

    def _points(self, params: Sequence[Mapping[str, Any]], known: Array) -> Array:
        """Return candidates as the model sees them: encoded, with what is known of them."""
        costs = (known[:, self._known] - self._low) / np.where(self._span > 0, self._span, 1.0)
        return np.concatenate([self._encoding(params), costs], axis=1)

    def _scaled(self, values: Array) -> Array:
        """Return values with every wide objective by its logarithm."""
        return np.where(self._wide, np.sign(values) * np.log10(np.abs(values) + ~self._wide), values)


def _wide(values: Array) -> NDArray[np.bool_]:
    """Return which objectives span more than a factor of ten, as costs do."""
    found = []
    for column in values.T:
        magnitude = np.abs(column[np.isfinite(column)])
        one_sign = bool((column > 0).sum() == len(magnitude) or (column < 0).sum() == len(magnitude))
        found.append(one_sign and magnitude.max() > 10 * magnitude.min())
    return np.array(found)


def _with_more(groups: NDArray[np.intp], more: int) -> NDArray[np.intp]:
    first = groups.max() + 1 if len(groups) else 0
    return np.concatenate([groups, np.arange(first, first + more)])


def _reference(front: Array, every: Array, known: NDArray[np.intp]) -> list[float]:
    """Return a point beyond all that is worth having: the front's worst, and any candidate's known."""
    low, high = front.min(axis=0), front.max(axis=0)
    low[known], high[known] = every.min(axis=0), every.max(axis=0)
    return list(high + _BEYOND * np.where(high > low, high - low, 1.0))


def _some(values: Array) -> NDArray[np.intp]:
    """Return which observations to look at: all, or the better ones and some of the others."""
    if len(values) <= _OBSERVED:
        return np.arange(len(values))
    order = np.argsort(pareto.ranks(values), kind="stable")
    better, others = np.split(order, [_OBSERVED // 2])
    return np.sort(np.concatenate([better, others[:: -(-len(others) // (_OBSERVED // 2))]]))
