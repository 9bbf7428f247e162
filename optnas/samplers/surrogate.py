"""Surrogate model that scores candidates by expected hypervolume improvement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from optuna.trial import TrialState

from optnas import pareto
from optnas.pareto.scale import WIDE, decades, is_wide
from optnas.samplers.domain import Domain
from optnas.samplers.encoding import Encoding
from optnas.samplers.expected_improvement import Belief, Known, LogDistance, LogNormal, expected_improvement
from optnas.samplers.fidelity import Evidence
from optnas.samplers.gaussian_process import GaussianProcess, Part
from optnas.samplers.history import History, Observation

__all__ = ["Candidates", "Surrogate"]

Array = NDArray[np.float64]

Scale = Callable[[Array], Array]

# With more observations, the model uses the better ones, up to half of this number, and at most as many of
# the others.
_OBSERVED = 500
# Upper bound of the noise variance, as a share of all variance. Where few of many candidates are good, more
# noise would explain these as lucky, and no improvement would be expected anywhere.
_MOST_NOISE = 0.25
# Largest number of observations that the fit of the hyperparameters uses.
_FITTED = 120
# Distance of the reference point beyond the front's worst values, as a share of the range. The worst value of
# a known objective is exact: there the reference point lies just far enough beyond it that even the most
# expensive candidate adds hypervolume.
_BEYOND, _BEYOND_KNOWN = 0.1, 0.01
# A modelled objective is compared in decades if these quantiles of the first trials span the factor that is
# proportionate to the one of all values.
_FIRST, _USUAL = 10, (0.25, 0.75)
# A candidate counts as at most this much cheaper than the cheapest of the front inside the region of
# interest, as a share of the range of all candidates.
_STEP = 0.1
# Number of trials of known duration from which on candidates are scored by improvement per second, and the
# ridge penalty of that regression.
_FEWEST_TIMED, _RIDGE = 4, 0.3
# Share of the variance that the features and training parameters are expected to explain.
_SHARE_OF_KNOWN = 0.8


def _failed(observation: Observation) -> bool:
    return observation.violation > 0 or observation.state == TrialState.FAIL


@dataclass(frozen=True)
class Candidates:
    """Feasible candidates with their known objectives and features.

    Attributes:
        params: Each one's parameters.
        known: Each one's objectives, to be minimised, shape (candidates, objectives); NaN where only a
            trial can tell.
        features: Further known numbers of each, shape (candidates, features).
    """

    params: list[dict[str, Any]]
    known: Array
    features: Array

    @classmethod
    def of(cls, domain: Domain, params: Iterable[Mapping[str, Any]], signs: Array) -> Candidates:
        """Return the feasible ones of ``params`` with their known objectives and features."""
        use = [dict(candidate) for candidate in params if domain.known(candidate) is not None]
        known = [domain.known(candidate) or [None] * len(signs) for candidate in use]
        features = [domain.features(candidate) for candidate in use]
        return cls(
            use,
            np.array(known, dtype=float).reshape(len(use), len(signs)) * signs,
            np.array(features, dtype=float).reshape(len(use), -1 if use else 0),
        )

    def with_more(self, others: Candidates, most: int) -> Candidates:
        """Return the last ``most`` of these candidates followed by ``others``."""
        if not self.params:
            return others
        first = max(0, len(self.params) + len(others.params) - most)
        if not others.params:
            return Candidates(self.params[first:], self.known[first:], self.features[first:])
        return Candidates(
            [*self.params, *others.params][first:],
            np.concatenate([self.known, others.known])[first:],
            np.concatenate([self.features, others.features])[first:],
        )


@dataclass(frozen=True)
class EvaluationTime:
    """Model of evaluation time: a ridge regression of its logarithm on the features.

    Attributes:
        middle: The mean of the features.
        slope: The coefficient of each feature.
        level: The mean of the logarithm.
    """

    middle: Array
    slope: Array
    level: float

    @classmethod
    def of(cls, features: Array, seconds: Array) -> EvaluationTime:
        """Fit the model to features, shape (trials, features), and durations in seconds."""
        middle, logs = features.mean(axis=0), np.log(seconds)
        X = features - middle
        weights = X.T @ X + _RIDGE * np.eye(X.shape[1])
        slope = np.linalg.solve(weights, X.T @ (logs - logs.mean()))
        return cls(middle, slope, float(logs.mean()))

    def seconds(self, features: Array) -> Array:
        """Return the predicted evaluation time of candidates with these features."""
        return np.asarray(np.exp(self.level + (features - self.middle) @ self.slope))


class Surrogate:
    """Gaussian processes for each objective that only a trial can tell, and for whether a trial succeeds.

    Features and training parameters explain most of the differences between networks: if the domain has
    features, a kernel on these few columns is added to one on all parameters.

    Args:
        encoding: The encoding of the candidates.
        domain: The search space, with known objectives and features of its candidates.
        signs: 1 for each objective to be minimised, -1 for each to be maximised.
        history: All other trials of the study.
        told: Final values of trials, observed or predicted; at least two of them.
        pool: Candidates that represent the search space.
        thetas: Hyperparameters fitted before, for each process in turn; by default they are fitted now.
    """

    def __init__(
        self,
        encoding: Encoding,
        domain: Domain,
        signs: Array,
        history: History,
        told: Evidence,
        pool: Candidates,
        thetas: Sequence[Array] = (),
    ) -> None:
        self._encoding = encoding
        self._domain = domain
        self._signs = signs
        values, deviations, known = told.values, told.deviations, pool.known
        self._modelled = np.flatnonzero(~np.isfinite(known).all(axis=0))
        self._known = np.flatnonzero(np.isfinite(known).all(axis=0))
        self._scales = _scales(values, known)
        # Upwards, where logarithms change less.
        beyond = self._scaled(values + deviations)
        values, known = self._scaled(values), self._scaled(known)
        every = np.concatenate([values, known])[:, self._known]
        beside = np.concatenate([known[:, self._known], pool.features], axis=1)
        self._low, self._span = beside.min(axis=0), np.ptp(beside, axis=0)
        self._parts = self._kernels(pool.features.shape[1])

        # The front includes predicted values of pruned trials: a candidate just like them would be pruned
        # again.
        counts = np.array([o.violation == 0 for o in told.observations])
        front = values[counts][pareto.front(values[counts])]
        raw = told.values[counts] if counts.any() else told.values
        limits = self._scaled(domain.region.worst(raw.min(axis=0), signs)[None])[0]
        ideal = self._scaled(domain.region.best(signs)[None])[0]
        self.reference = _reference(front if len(front) else values, every, self._known, limits)
        self._distances = [
            LogDistance.of(
                values[:, j],
                self.reference[j],
                within=bool(np.isfinite(limits[j])),
                ideal=float(ideal[j]),
            )
            for j in self._modelled
        ]
        self._step = self._cheapest(front, every)
        given = iter(thetas)
        self._processes = self._fitted([o.params for o in told.observations], values, beyond, given)
        self._success = self._fitted_success(history.finished, next(given, None))
        self.thetas = [process.theta for process in (*self._processes, self._success) if process is not None]
        self._pace = self._fitted_pace(history.complete)
        self._boxes = pareto.boxes(self._believing(history.running, front), self.reference)

    def is_inside(self, values: Array) -> NDArray[np.bool_]:
        """Return which of ``values``, shape (observations, objectives), dominate the reference point."""
        return np.asarray((self._scaled(values) < np.array(self.reference)).all(axis=1))

    def gain(self, candidates: Candidates) -> Array:
        """Return the expected hypervolume improvement of each candidate, shape (candidates,).

        It is weighed by the probability of success, and taken per second if evaluation times are known (Snoek
        et al. 2012, "Practical Bayesian optimization of machine learning algorithms").
        """
        known = self._scaled(candidates.known)
        X = self._points(candidates.params, known, candidates.features)
        gain = expected_improvement(*self._boxes, self._beliefs(X, np.maximum(known, self._step)))
        if self._success is not None:
            mean, deviation = self._success.predict(X)
            # If next to no improvement is expected anywhere, the probability of success breaks the tie.
            gain = (gain + 1e-12) * scipy.special.ndtr(mean / deviation)
        if self._pace is not None and len(gain):
            gain = gain / self._pace.seconds(candidates.features)
        return gain

    def _fitted_pace(self, complete: Sequence[Observation]) -> EvaluationTime | None:
        timed = [o for o in complete if o.seconds is not None]
        if len(timed) < _FEWEST_TIMED or len(self._low) == len(self._known):
            return None
        features = self._features([o.params for o in timed])
        return EvaluationTime.of(features, np.array([o.seconds for o in timed], dtype=float))

    def _cheapest(self, front: Array, every: Array) -> Array:
        """Return a lower bound that limits the gain by each known objective; minus infinity for others.

        A candidate far cheaper than the front inside the region of interest would gain as much as the rest
        of the front together, if it were inside as well. It is taken to be only one step cheaper.
        """
        step = np.full(len(self._signs), -np.inf)
        inside = front[(front < np.array(self.reference)).all(axis=1)]
        if len(inside):
            step[self._known] = inside[:, self._known].min(axis=0) - _STEP * np.ptp(every, axis=0)
        return step

    def _kernels(self, features: int) -> list[Part]:
        """Return the kernels to sum: one or, if the domain has features, two.

        One is on all parameters. With features, the other is on these, the known objectives and the training
        parameters.
        """
        groups = self._encoding.groups
        beside = np.arange(len(groups), len(groups) + len(self._known) + features)
        if not features:
            return [Part.of(_with_more(groups, len(beside)))]
        training = self._encoding.columns(self._domain.training)
        few = np.unique(groups[training], return_inverse=True)[1]
        first = Part(np.concatenate([training, beside]), _with_more(few, len(beside)), _SHARE_OF_KNOWN)
        return [first, Part(np.arange(len(groups)), groups, 1 - _SHARE_OF_KNOWN)]

    def _beliefs(self, X: Array, known: Array) -> list[Belief]:
        beliefs: list[Belief] = [Known(column) for column in known.T]
        for j, process, distance in zip(self._modelled, self._processes, self._distances, strict=True):
            beliefs[j] = LogNormal(*process.predict(X), distance.floor)
        return beliefs

    def _fitted(
        self, params: Sequence[Mapping[str, Any]], values: Array, beyond: Array, given: Iterator[Array]
    ) -> list[GaussianProcess]:
        """Return a Gaussian process for each modelled objective's log distance.

        Args:
            params: The parameters of the observations.
            values: The values of the observations.
            beyond: These values plus their standard deviations.
            given: Hyperparameters that were fitted before.
        """
        some = _some(values)
        chosen = [params[i] for i in some]
        X = self._points(chosen, values[some], self._features(chosen))
        processes = []
        for j, distance in zip(self._modelled, self._distances, strict=True):
            y = distance(values[some, j])
            doubts = distance(beyond[some, j]) - y
            theta = next(given, None)
            processes.append(
                GaussianProcess.fit(X, y, self._parts, _FITTED, doubts, theta, most_noise=_MOST_NOISE)
            )
        return processes

    def _fitted_success(self, finished: Sequence[Observation], theta: Array | None) -> GaussianProcess | None:
        """Return a Gaussian process for success (label 1) and failure (label -1); ``None`` if none failed.

        A regression of labels: cruder than classification, and in closed form.
        """
        labels = np.array([-1.0 if _failed(o) else 1.0 for o in finished])
        if (labels > 0).all():
            return None
        of_use, X, _ = self._seen([o.params for o in finished])
        labels = labels[of_use][-_OBSERVED:]
        if len(set(labels)) < 2:
            return None
        return GaussianProcess.fit(X[-_OBSERVED:], labels, self._parts, _FITTED, theta=theta)

    def _believing(self, running: Sequence[Mapping[str, Any]], front: Array) -> Array:
        """Condition on the predicted means of ``running``, and return the front that includes them."""
        of_use, X, values = self._seen(running)
        if not of_use:
            return front
        for i, objective in enumerate(self._modelled):
            values[:, objective] = self._distances[i].inverse(self._processes[i].predict(X)[0])
            self._processes[i] = self._processes[i].condition_on_prediction(X)
        values = np.concatenate([front, values])
        return values[pareto.front(values)]

    def _seen(self, params: Sequence[Mapping[str, Any]]) -> tuple[list[int], Array, Array]:
        """Return the indices of the feasible candidates, their points and their known objectives."""
        rows = [self._domain.known(p) for p in params]
        of_use = [i for i, row in enumerate(rows) if row is not None]
        known = [rows[i] or [None] * len(self._signs) for i in of_use]
        scaled = self._scaled(
            np.array(known, dtype=float).reshape(len(of_use), len(self._signs)) * self._signs
        )
        some = [params[i] for i in of_use]
        return of_use, self._points(some, scaled, self._features(some)), scaled

    def _features(self, params: Sequence[Mapping[str, Any]]) -> Array:
        """Return the features of candidates; the middle of the range for those now infeasible."""
        width = len(self._low) - len(self._known)
        middle = (self._low + 0.5 * self._span)[len(self._known) :]
        found = [self._domain.features(p) if self._domain.known(p) is not None else middle for p in params]
        return np.array(found, dtype=float).reshape(len(params), width)

    def _points(self, params: Sequence[Mapping[str, Any]], known: Array, features: Array) -> Array:
        """Return the model's inputs: encoded candidates with their known objectives and features."""
        beside = np.concatenate([known[:, self._known], features], axis=1)
        beside = (beside - self._low) / np.where(self._span > 0, self._span, 1.0)
        return np.concatenate([self._encoding(params), beside], axis=1)

    def _scaled(self, values: Array) -> Array:
        """Return each objective on the scale that it is compared on."""
        return np.stack([scale(column) for scale, column in zip(self._scales, values.T, strict=True)], axis=1)


def _scales(values: Array, known: Array) -> list[Scale]:
    """Return each objective's scale for comparisons: decades if it spans a factor of ten, else unchanged.

    For known objectives all candidates decide this. For modelled ones the first trials do, before the
    search has moved to where the objective is close to zero. Modelled objectives to be maximised, such as
    accuracy, are never taken in decades: it is their worst values that differ by factors.

    Args:
        values: The values of trials, the first ones first, shape (trials, objectives).
        known: The known values of candidates, shape (candidates, objectives), NaN where only a trial can
            tell.
    """
    scales: list[Scale] = []
    for found, column in zip(values.T, known.T, strict=True):
        if np.isfinite(column).all():
            every = np.concatenate([found, column])
            wide = is_wide(every)
        else:
            usual = np.quantile(found[:_FIRST], _USUAL)
            enough = len(found) >= _FIRST and found.min() > 0
            wide = enough and _ratio(usual) > WIDE ** (_USUAL[1] - _USUAL[0])
        scales.append(decades if wide else _unchanged)
    return scales


def _ratio(column: Array) -> float:
    """Return the ratio of the greatest to the least magnitude."""
    magnitude = np.abs(column)
    return float(magnitude.max() / magnitude.min())


def _unchanged(values: Array) -> Array:
    return values


def _with_more(groups: NDArray[np.intp], more: int) -> NDArray[np.intp]:
    first = groups.max() + 1 if len(groups) else 0
    return np.concatenate([groups, np.arange(first, first + more)])


def _reference(front: Array, every: Array, known: NDArray[np.intp], limits: Array) -> list[float]:
    """Return the reference point of the hypervolume.

    It is the limit of the region of interest, if there is one; else a little beyond the front's worst value
    or, for known objectives, beyond the worst of all candidates.
    """
    low, high = front.min(axis=0), front.max(axis=0)
    low[known], high[known] = every.min(axis=0), every.max(axis=0)
    beyond = np.full(len(low), _BEYOND)
    beyond[known] = _BEYOND_KNOWN
    reference = high + beyond * np.where(high > low, high - low, 1.0)
    return list(np.where(np.isfinite(limits), limits, reference))


def _some(values: Array) -> NDArray[np.intp]:
    """Return the indices of observations to model: all, or the better ones and some of the others."""
    if len(values) <= _OBSERVED:
        return np.arange(len(values))
    order = np.argsort(pareto.ranks(values), kind="stable")
    better, others = np.split(order, [_OBSERVED // 2])
    return np.sort(np.concatenate([better, others[:: -(-len(others) // (_OBSERVED // 2))]]))
