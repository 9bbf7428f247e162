"""Forecast of a trial's final values from its values at a rung, its features and its training parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optnas.samplers.domain import Domain
from optnas.samplers.encoding import Encoding
from optnas.samplers.expected_improvement import LogDistance
from optnas.samplers.gaussian_process import GaussianProcess, Part, count_at_last_refit
from optnas.samplers.history import Observation
from optnas.samplers.robust_line import Line

__all__ = ["FinalValues", "Forecast"]

Array = NDArray[np.float64]

# A rung's model needs so many complete trials, and its hyperparameters are refitted whenever their number has
# grown by such a factor. The fit uses at most so many of them, spread evenly.
_FEWEST, _FITTED_ANEW, _MOST = 8, 1.25, 100


@dataclass(frozen=True)
class FinalValues:
    """Predicted final values of trials as normal distributions, all to be minimised.

    Attributes:
        mean, deviation: Mean and standard deviation of the value or, for an objective with a floor, of the
            logarithm of its distance to the floor; shape (trials, objectives).
        floor: Shape (objectives,); NaN for objectives without one.
    """

    mean: Array
    deviation: Array
    floor: Array

    def at(self, deviations: Array | float) -> Array:
        """Return the values at so many standard deviations above the mean.

        Args:
            deviations: Number of standard deviations, of a shape that broadcasts with (trials, objectives).
        """
        found = self.mean + deviations * self.deviation
        return np.where(np.isnan(self.floor), found, self.floor + np.exp(np.minimum(found, 700.0)))


class Forecast:
    """Model that predicts final values from a rung: a Gaussian process on trials trained further from there.

    A slow learner with a small learning rate is not a network that will never learn: beside the values at
    the rung, the inputs are the candidate's features and its training parameters. Objectives that are equal
    at the rung and at the end, such as costs, are taken as known.

    Args:
        domain: The search space of the trials.
        signs: 1 for each objective to be minimised, -1 for each to be maximised.
    """

    def __init__(self, domain: Domain, signs: Array) -> None:
        self.domain = domain
        self.signs = signs
        self._encoding = Encoding(domain)
        self._training = self._encoding.columns(domain.training)
        self._groups = np.unique(self._encoding.groups[self._training], return_inverse=True)[1]
        self._thetas: dict[int, _Fitted] = {}

    def predict(
        self, finished: Sequence[Observation], rung: int, of: Sequence[Observation]
    ) -> FinalValues | None:
        """Return the predicted final values of ``of``; ``None`` if too few trials were trained further.

        For complete trials it is the leave-one-out prediction.

        Args:
            finished: The trials that ended.
            rung: The rung from which ``of`` are predicted.
            of: Trials that reached the rung.
        """
        on = [o for o in finished if o.complete and rung in o.rungs and np.isfinite(o.rungs[rung]).all()]
        if len(on) < _FEWEST or not of:
            return None
        on.sort(key=lambda observation: (observation.ended, observation.number))
        view = _View(self, on, rung)
        X, points = view.points(on), view.points(of)
        parts = self._parts(X.shape[1])
        mean, deviation = np.array([o.rungs[rung] for o in of]), np.zeros((len(of), len(self.signs)))
        floor = np.full(len(self.signs), np.nan)
        places = {observation.number: i for i, observation in enumerate(on)}
        without = [(i, places[o.number]) for i, o in enumerate(of) if o.complete and o.number in places]
        left, own = (list(indices) for indices in zip(*without, strict=True)) if without else ([], [])
        fitted = self._fitted(on, rung)
        thetas = fitted.thetas if fitted.thetas.keys() == view.distances.keys() else {}
        for j, distance in view.distances.items():
            line, off = view.residuals(on, j)
            process = GaussianProcess.fit(X, off, parts, _MOST, theta=thetas.get(j))
            expected = np.stack(process.observed(points))
            expected[:, left] = np.stack(process.left_out())[:, own]
            mean[:, j], deviation[:, j] = expected[0] + line.at(view.logs(of, j)), expected[1]
            floor[j] = distance.floor
        return FinalValues(mean, deviation, floor)

    def _fitted(self, on: list[Observation], rung: int) -> _Fitted:
        """Return each objective's hyperparameters as of the last refit.

        A refit uses the trials that ended first, up to a number that grows by a factor. So all workers have
        the same hyperparameters, and they are fitted only now and then.
        """
        count = count_at_last_refit(len(on), _FEWEST, _FITTED_ANEW)
        kept = self._thetas.get(rung)
        if kept is None or kept.count != count:
            some = on[:count]
            view = _View(self, some, rung)
            X = view.points(some)
            parts = self._parts(X.shape[1])
            thetas = {
                j: GaussianProcess.fit(X, view.residuals(some, j)[1], parts, _MOST).theta
                for j in view.distances
            }
            kept = self._thetas[rung] = _Fitted(count, thetas)
        return kept

    def _parts(self, columns: int) -> list[Part]:
        own = columns - len(self._training)
        return [Part.of(np.concatenate([np.arange(own), own + self._groups]))]

    def training(self, observations: Sequence[Observation]) -> Array:
        """Return the encoded training parameters of trials, shape (trials, columns)."""
        return self._encoding([o.params for o in observations])[:, self._training]

    def features(self, observations: Sequence[Observation]) -> list[Sequence[float]]:
        """Return the features of trials' candidates; an empty sequence for those now infeasible."""
        params = [observation.params for observation in observations]
        return [self.domain.features(p) if self.domain.known(p) is not None else () for p in params]


@dataclass(frozen=True)
class _Fitted:
    """Hyperparameters of each objective, fitted to the ``count`` trials that ended first."""

    count: int
    thetas: dict[int, Array]


class _View:
    """Inputs and targets of the model at one rung, on scales set by complete trials.

    Attributes:
        distances: The scale of each modelled objective, one that changes from the rung to the end.
    """

    def __init__(self, forecast: Forecast, on: Sequence[Observation], rung: int) -> None:
        self._forecast = forecast
        self._rung = rung
        first, last = (
            np.array(values) for values in zip(*((o.rungs[rung], o.values) for o in on), strict=True)
        )
        region, signs = forecast.domain.region, forecast.signs
        limits, best = region.worst(last.min(axis=0), signs), region.best(signs)
        changing = np.flatnonzero((first != last).any(axis=0)).tolist()
        self.distances = {
            j: LogDistance.of(last[:, j], limits[j], within=bool(np.isfinite(limits[j])), ideal=best[j])
            for j in changing
        }
        self._width = max(map(len, forecast.features(on)))
        values = self._values(on)
        self._low, self._span = values.min(axis=0), np.ptp(values, axis=0)

    def points(self, observations: Sequence[Observation]) -> Array:
        """Return the model's inputs, shape (trials, columns); training parameters are the last columns."""
        # A column that is constant over the complete trials carries no information: it becomes 0.
        span = np.where(self._span > 0, self._span, np.inf)
        values = (self._values(observations) - self._low) / span
        return np.concatenate([values, self._forecast.training(observations)], axis=1)

    def residuals(self, on: Sequence[Observation], objective: int) -> tuple[Line, Array]:
        """Return the line from the rung to the final values of complete trials, and their residuals."""
        now = self.logs(on, objective)
        ends = self.distances[objective](np.array([o.values[objective] for o in on]))
        line = Line.through(now, now, ends)
        return line, ends - line.at(now)

    def logs(self, observations: Sequence[Observation], objective: int) -> Array:
        """Return an objective's values at the rung on its log scale.

        There is no ceiling, because at a rung all values may be beyond it.
        """
        distance = self.distances[objective]
        now = np.array([o.rungs[self._rung][objective] for o in observations])
        return np.asarray(np.log(np.maximum(now - distance.floor, distance.least)))

    def _values(self, observations: Sequence[Observation]) -> Array:
        """Return trials' values at the rung, and their features or, without any, the constant objectives."""
        if self._width:
            rows = [row or [0.0] * self._width for row in self._forecast.features(observations)]
            beside = np.array(rows, dtype=float)
        else:
            now = np.array([o.rungs[self._rung] for o in observations])
            beside = np.delete(now, list(self.distances), axis=1)
        return np.concatenate(
            [*(self.logs(observations, j)[:, None] for j in self.distances), beside], axis=1
        )
