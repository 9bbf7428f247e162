"""What the trials so far say of candidates: how much each would add to the front, and whether it can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from optuna.trial import TrialState

from optnas import pareto
from optnas.samplers.domain import Domain
from optnas.samplers.encoding import Encoding
from optnas.samplers.fidelity import Evidence
from optnas.samplers.gaussian_process import GaussianProcess, Part
from optnas.samplers.history import History, Observation
from optnas.samplers.improvement import Belief, Known, LogDistance, LogNormal, expected_improvement

__all__ = ["Candidates", "Surrogate"]

Array = NDArray[np.float64]

Scale = Callable[[Array], Array]

# Of more observations the model looks at the better half of so many, and at some of the others.
_OBSERVED = 500
# No more than a quarter of the variance is noise: where few of many candidates are good, that these were only
# lucky is the easier explanation, and nothing is expected anywhere any more.
_MOST_NOISE = 0.25
# The fit of the length scales looks at so many.
_FITTED = 120
# How far beyond the worst that counts the reference point lies, in shares of the range. What is known has
# a worst that is known: just so far beyond that the very dearest is of use.
_BEYOND, _BEYOND_KNOWN = 0.1, 0.01
# What spans so much is compared in decades: what is known from the least to the greatest, what is modelled
# as much in proportion between these quantiles of the first trials.
_WIDE = 10.0
_FIRST, _USUAL = 10, (0.25, 0.75)
# How much cheaper than the cheapest of use a candidate may count as, in shares of the range of all.
_STEP = 0.1
# From so many trials whose time is known on, candidates are judged by what they gain in a second.
_FEWEST_TIMED, _RIDGE = 4, 0.3
# Of what values differ by, how much is expected to be explained by what is known and by the training.
_SHARE_OF_KNOWN = 0.8


def _failed(observation: Observation) -> bool:
    return observation.violation > 0 or observation.state == TrialState.FAIL


@dataclass(frozen=True)
class Candidates:
    """Candidates, and what is known of them.

    Attributes:
        params: Each one's parameters.
        known: Each one's objectives, to be minimised, shape (candidates, objectives); NaN where only a
            trial can tell.
        features: What else is known of each, shape (candidates, features).
    """

    params: list[dict[str, Any]]
    known: Array
    features: Array

    @classmethod
    def of(cls, domain: Domain, params: Iterable[Mapping[str, Any]], signs: Array) -> Candidates:
        """Return those of ``params`` that are of use."""
        use = [dict(candidate) for candidate in params if domain.known(candidate) is not None]
        known = [domain.known(candidate) or [None] * len(signs) for candidate in use]
        features = [domain.features(candidate) for candidate in use]
        return cls(
            use,
            np.array(known, dtype=float).reshape(len(use), len(signs)) * signs,
            np.array(features, dtype=float).reshape(len(use), -1 if use else 0),
        )

    def with_more(self, others: Candidates, most: int) -> Candidates:
        """Return the last ``most`` of these and others."""
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
class Pace:
    """How long an evaluation takes, by a ridge regression of its logarithm on the features.

    Attributes:
        middle: The mean of the features.
        slope: By feature.
        level: The mean of the logarithm.
    """

    middle: Array
    slope: Array
    level: float

    @classmethod
    def of(cls, features: Array, seconds: Array) -> Pace:
        """Fit the features, shape (trials, features), of trials that took so many seconds."""
        middle, logs = features.mean(axis=0), np.log(seconds)
        X = features - middle
        weights = X.T @ X + _RIDGE * np.eye(X.shape[1])
        slope = np.linalg.solve(weights, X.T @ (logs - logs.mean()))
        return cls(middle, slope, float(logs.mean()))

    def seconds(self, features: Array) -> Array:
        """Return what evaluations of candidates of these features take."""
        return np.asarray(np.exp(self.level + (features - self.middle) @ self.slope))


class Surrogate:
    """A Gaussian process for each objective that only a trial can tell, and one for whether it succeeds.

    What is known of a candidate and how it is trained explains most of what networks differ by: where the
    domain has features, a kernel on these few columns is summed with one on all decisions.

    Args:
        encoding: Of the candidates.
        domain: What is known of candidates.
        signs: 1 for each objective to be minimised, -1 for each to be maximised.
        history: What the trials say.
        told: What they say of values; at least two of them.
        pool: Candidates that stand for all.
        thetas: What was fitted before, for each process in turn; by default it is fitted now.
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
        # Upwards, where logarithms are tamer.
        beyond = self._scaled(values + deviations)
        values, known = self._scaled(values), self._scaled(known)
        every = np.concatenate([values, known])[:, self._known]
        beside = np.concatenate([known[:, self._known], pool.features], axis=1)
        self._low, self._span = beside.min(axis=0), np.ptp(beside, axis=0)
        self._parts = self._kernels(pool.features.shape[1])

        # A stopped trial's candidate counts as found: one just like it would be stopped again.
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
        """Return which values, shape (observations, objectives), are of use to the study."""
        return np.asarray((self._scaled(values) < np.array(self.reference)).all(axis=1))

    def gain(self, candidates: Candidates) -> Array:
        """Return how much hypervolume each candidate is expected to add, shape (candidates,).

        In a second of its evaluation, where it is known how long that takes (Snoek et al. 2012, "Practical
        Bayesian optimization of machine learning algorithms").
        """
        known = self._scaled(candidates.known)
        X = self._points(candidates.params, known, candidates.features)
        gain = expected_improvement(*self._boxes, self._beliefs(X, np.maximum(known, self._step)))
        if self._success is not None:
            mean, deviation = self._success.predict(X)
            # As much as nothing is gained where success is all but excluded, so let it break the tie.
            gain = (gain + 1e-12) * scipy.special.ndtr(mean / deviation)
        if self._pace is not None and len(gain):
            gain = gain / self._pace.seconds(candidates.features)
        return gain

    def _fitted_pace(self, complete: Sequence[Observation]) -> Pace | None:
        timed = [o for o in complete if o.seconds is not None]
        if len(timed) < _FEWEST_TIMED or len(self._low) == len(self._known):
            return None
        features = self._features([o.params for o in timed])
        return Pace.of(features, np.array([o.seconds for o in timed], dtype=float))

    def _cheapest(self, front: Array, every: Array) -> Array:
        """Return what counts as the best that a known objective can be; minus infinity for the others.

        What is known beforehand to be far cheaper than all that is of use so far would gain as much as
        the rest of the front together, were it of use: it is taken to gain no more than a step.
        """
        step = np.full(len(self._signs), -np.inf)
        inside = front[(front < np.array(self.reference)).all(axis=1)]
        if len(inside):
            step[self._known] = inside[:, self._known].min(axis=0) - _STEP * np.ptp(every, axis=0)
        return step

    def _kernels(self, features: int) -> list[Part]:
        """Return the kernels: on what is known and the training, if there are features, and on all."""
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
        """Return a model of each modelled objective's log distance.

        Args:
            params: Of the observations.
            values: What was observed.
            beyond: That plus its standard deviation.
            given: What was fitted before.
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
        return GaussianProcess.fit(X[-_OBSERVED:], labels, self._parts, _FITTED, theta=theta)

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
        rows = [self._domain.known(p) for p in params]
        of_use = [i for i, row in enumerate(rows) if row is not None]
        known = [rows[i] or [None] * len(self._signs) for i in of_use]
        scaled = self._scaled(
            np.array(known, dtype=float).reshape(len(of_use), len(self._signs)) * self._signs
        )
        some = [params[i] for i in of_use]
        return of_use, self._points(some, scaled, self._features(some)), scaled

    def _features(self, params: Sequence[Mapping[str, Any]]) -> Array:
        """Return the features of candidates; those of the middle for what is of no use any more."""
        width = len(self._low) - len(self._known)
        middle = (self._low + 0.5 * self._span)[len(self._known) :]
        found = [self._domain.features(p) if self._domain.known(p) is not None else middle for p in params]
        return np.array(found, dtype=float).reshape(len(params), width)

    def _points(self, params: Sequence[Mapping[str, Any]], known: Array, features: Array) -> Array:
        """Return candidates as the model sees them: encoded, with what is known of them."""
        beside = np.concatenate([known[:, self._known], features], axis=1)
        beside = (beside - self._low) / np.where(self._span > 0, self._span, 1.0)
        return np.concatenate([self._encoding(params), beside], axis=1)

    def _scaled(self, values: Array) -> Array:
        """Return each objective on the scale that it is compared on."""
        return np.stack([scale(column) for scale, column in zip(self._scales, values.T, strict=True)], axis=1)


def _scales(values: Array, known: Array) -> list[Scale]:
    """Return the scale that each objective is compared on: decades for what spans a factor of ten.

    Of what is known, all candidates tell that. Of what is modelled it is the first trials, before a search
    has gone to where the objective comes near to zero; and what is maximised, as accuracy is, is never
    taken in decades: there it is the worst that differ by factors.

    Args:
        values: What trials found, the first ones first, shape (trials, objectives).
        known: What is known of candidates, shape (candidates, objectives), NaN where only a trial can tell.
    """
    scales: list[Scale] = []
    for found, column in zip(values.T, known.T, strict=True):
        if np.isfinite(column).all():
            every = np.concatenate([found, column])
            wide = _one_sign(every) and _ratio(every) > _WIDE
        else:
            usual = np.quantile(found[:_FIRST], _USUAL)
            enough = len(found) >= _FIRST and found.min() > 0
            wide = enough and _ratio(usual) > _WIDE ** (_USUAL[1] - _USUAL[0])
        scales.append(_decades if wide else _unchanged)
    return scales


def _one_sign(column: Array) -> bool:
    return bool((column > 0).all() or (column < 0).all())


def _ratio(column: Array) -> float:
    """Return how many times the least the greatest is."""
    magnitude = np.abs(column)
    return float(magnitude.max() / magnitude.min())


def _decades(values: Array) -> Array:
    return np.sign(values) * np.log10(np.maximum(np.abs(values), 1e-300))


def _unchanged(values: Array) -> Array:
    return values


def _with_more(groups: NDArray[np.intp], more: int) -> NDArray[np.intp]:
    first = groups.max() + 1 if len(groups) else 0
    return np.concatenate([groups, np.arange(first, first + more)])


def _reference(front: Array, every: Array, known: NDArray[np.intp], limits: Array) -> list[float]:
    """Return a point beyond all that is worth having.

    That is the limits, where there are some; else a little beyond the front's worst, and beyond any
    candidate's of what is known.
    """
    low, high = front.min(axis=0), front.max(axis=0)
    low[known], high[known] = every.min(axis=0), every.max(axis=0)
    beyond = np.full(len(low), _BEYOND)
    beyond[known] = _BEYOND_KNOWN
    reference = high + beyond * np.where(high > low, high - low, 1.0)
    return list(np.where(np.isfinite(limits), limits, reference))


def _some(values: Array) -> NDArray[np.intp]:
    """Return which observations to look at: all, or the better ones and some of the others."""
    if len(values) <= _OBSERVED:
        return np.arange(len(values))
    order = np.argsort(pareto.ranks(values), kind="stable")
    better, others = np.split(order, [_OBSERVED // 2])
    return np.sort(np.concatenate([better, others[:: -(-len(others) // (_OBSERVED // 2))]]))
