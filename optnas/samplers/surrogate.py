"""What the trials so far say of candidates: how much each would add to the front, and whether it can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import TrialState
from scipy.special import ndtr

from optnas import pareto
from optnas.samplers.encoding import Encoding
from optnas.samplers.fidelity import Evidence
from optnas.samplers.gaussian_process import GaussianProcess
from optnas.samplers.history import History, Observation
from optnas.samplers.improvement import Belief, Known, LogDistance, LogNormal, expected_improvement

__all__ = ["Look", "Surrogate"]

Array = NDArray[np.float64]

Scale = Callable[[Array], Array]

Look = Callable[[Mapping[str, Any]], Array | None]
"""Returns what is known of a candidate, shape (objectives,); ``None`` if it is of no use."""

# Of more observations the model looks at the better half of so many, and at some of the others.
_OBSERVED = 1_000
# The fit of the length scales looks at so many.
_FITTED = 150
# How far beyond the worst that counts the reference point lies, in shares of the range. What is known has
# a worst that is known: just so far beyond that the very dearest is of use.
_BEYOND, _BEYOND_KNOWN = 0.1, 0.01


def _failed(observation: Observation) -> bool:
    return observation.violation > 0 or observation.state == TrialState.FAIL


class Surrogate:
    """A Gaussian process for each objective that only a trial can tell, and one for whether it succeeds.

    Args:
        encoding: Of the candidates.
        history: What the trials say.
        told: What they say of values; at least two of them.
        look: Returns what is known of a candidate.
        known: What is known of candidates that stand for all, shape (candidates, objectives).
    """

    def __init__(
        self, encoding: Encoding, history: History, told: Evidence, look: Look, known: Array
    ) -> None:
        self._encoding = encoding
        self._look = look
        values, deviations = told.values, told.deviations
        self._modelled = np.flatnonzero(~np.isfinite(known).all(axis=0))
        self._known = np.flatnonzero(np.isfinite(known).all(axis=0))
        self._scales = _scales(np.concatenate([values, known]), self._modelled)
        # Upwards, where logarithms are tamer.
        beyond = self._scaled(values + deviations)
        values, known = self._scaled(values), self._scaled(known)
        every = np.concatenate([values, known])[:, self._known]
        self._low, self._span = every.min(axis=0), np.ptp(every, axis=0)
        self._groups = _with_more(encoding.groups, len(self._known))

        # A stopped trial's candidate counts as found: one just like it would be stopped again.
        counts = np.array([o.violation == 0 for o in told.observations])
        front = values[counts][pareto.front(values[counts])]
        self._reference = _reference(front if len(front) else values, every, self._known)
        self._distances = [LogDistance.of(values[:, j], self._reference[j]) for j in self._modelled]
        self._processes = self._fitted([o.params for o in told.observations], values, beyond)
        self._success = self._fitted_success(history.finished)
        self._front = self._believing(history.running, front)

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
        for j, process, distance in zip(self._modelled, self._processes, self._distances, strict=True):
            beliefs[j] = LogNormal(*process.predict(X), distance.floor)
        return beliefs

    def _fitted(
        self, params: Sequence[Mapping[str, Any]], values: Array, beyond: Array
    ) -> list[GaussianProcess]:
        """Return a model of each modelled objective's log distance.

        Args:
            params: Of the observations.
            values: What was observed.
            beyond: That plus its standard deviation.
        """
        some = _some(values)
        X = self._points([params[i] for i in some], values[some])
        processes = []
        for j, distance in zip(self._modelled, self._distances, strict=True):
            y = distance(values[some, j])
            doubts = distance(beyond[some, j]) - y
            processes.append(GaussianProcess.fit(X, y, self._groups, _FITTED, doubts))
        return processes

    def _fitted_success(self, finished: Sequence[Observation]) -> GaussianProcess | None:
        """Return a model of 1 for what succeeded and -1 for what did not; none where all succeeded.

        A regression of labels: cruder than classification, and in closed form.
        """
        labels = np.array([-1.0 if _failed(o) else 1.0 for o in finished])
        if (labels > 0).all():
            return None
        of_use, X, _ = self._seen([o.params for o in finished])
        labels = labels[of_use][-_OBSERVED:]
        if len(set(labels)) < 2:
            return None
        return GaussianProcess.fit(X[-_OBSERVED:], labels, self._groups, _FITTED)

    def _believing(self, running: Sequence[Mapping[str, Any]], front: Array) -> Array:
        """Take ``running`` to be as predicted, and return the front with them."""
        of_use, X, values = self._seen(running)
        if not of_use:
            return front
        for i, objective in enumerate(self._modelled):
            values[:, objective] = self._distances[i].inverse(self._processes[i].predict(X)[0])
            self._processes[i] = self._processes[i].believing(X)
        values = np.concatenate([front, values])
        return values[pareto.front(values)]

    def _seen(self, params: Sequence[Mapping[str, Any]]) -> tuple[list[int], Array, Array]:
        """Return which candidates are of use, and of these the points and what is known."""
        rows = [self._look(p) for p in params]
        of_use = [i for i, row in enumerate(rows) if row is not None]
        known = np.array([row for row in rows if row is not None]).reshape(len(of_use), len(self._scales))
        known = self._scaled(known)
        return of_use, self._points([params[i] for i in of_use], known), known

    def _points(self, params: Sequence[Mapping[str, Any]], known: Array) -> Array:
        """Return candidates as the model sees them: encoded, with what is known of them."""
        costs = (known[:, self._known] - self._low) / np.where(self._span > 0, self._span, 1.0)
        return np.concatenate([self._encoding(params), costs], axis=1)

    def _scaled(self, values: Array) -> Array:
        """Return each objective on the scale that it is compared on."""
        return np.stack([scale(column) for scale, column in zip(self._scales, values.T, strict=True)], axis=1)


def _scales(values: Array, modelled: NDArray[np.intp]) -> list[Scale]:
    """Return the scale that each objective is compared on: decades for what spans a factor of ten.

    Not for what is modelled and maximised, as accuracy is: there it is the worst that differ by factors.
    """
    scales: list[Scale] = []
    for objective, column in enumerate(values.T):
        column = column[np.isfinite(column)]
        accuracy = objective in modelled and column.min() < 0
        scales.append(_decades if _wide(column) and not accuracy else _unchanged)
    return scales


def _wide(column: Array) -> bool:
    magnitude = np.abs(column)
    one_sign = (column > 0).all() or (column < 0).all()
    return bool(one_sign and magnitude.max() > 10 * magnitude.min())


def _decades(values: Array) -> Array:
    return np.sign(values) * np.log10(np.maximum(np.abs(values), 1e-300))


def _unchanged(values: Array) -> Array:
    return values


def _with_more(groups: NDArray[np.intp], more: int) -> NDArray[np.intp]:
    first = groups.max() + 1 if len(groups) else 0
    return np.concatenate([groups, np.arange(first, first + more)])


def _reference(front: Array, every: Array, known: NDArray[np.intp]) -> list[float]:
    """Return a point beyond all that is worth having: the front's worst, and any candidate's known."""
    low, high = front.min(axis=0), front.max(axis=0)
    low[known], high[known] = every.min(axis=0), every.max(axis=0)
    beyond = np.full(len(low), _BEYOND)
    beyond[known] = _BEYOND_KNOWN
    return list(high + beyond * np.where(high > low, high - low, 1.0))


def _some(values: Array) -> NDArray[np.intp]:
    """Return which observations to look at: all, or the better ones and some of the others."""
    if len(values) <= _OBSERVED:
        return np.arange(len(values))
    order = np.argsort(pareto.ranks(values), kind="stable")
    better, others = np.split(order, [_OBSERVED // 2])
    return np.sort(np.concatenate([better, others[:: -(-len(others) // (_OBSERVED // 2))]]))
