"""What a trial will come to: by what it had at a rung, what is known of it and how it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optnas.samplers.domain import Domain
from optnas.samplers.encoding import Encoding
from optnas.samplers.gaussian_process import GaussianProcess, Part, refitted_at
from optnas.samplers.history import Observation
from optnas.samplers.improvement import LogDistance
from optnas.samplers.line import Line

__all__ = ["Ends", "Forecast"]

Array = NDArray[np.float64]

# From so many trials that went on from a rung is learned, and hyperparameters are fitted anew with so many
# times as many. The fit looks at the last ones.
_FEWEST, _FITTED_ANEW, _MOST = 8, 1.25, 100


@dataclass(frozen=True)
class Ends:
    """What is expected of the values of some trials at full training, all to be minimised.

    Attributes:
        mean, deviation: Of the value or, where there is a floor, of the logarithm of its distance to that;
            shape (trials, objectives).
        floor: Shape (objectives,); NaN where there is none.
    """

    mean: Array
    deviation: Array
    floor: Array

    def at(self, deviations: Array | float) -> Array:
        """Return the values so many standard deviations above the mean.

        Args:
            deviations: Of a shape that goes with (trials, objectives).
        """
        found = self.mean + deviations * self.deviation
        return np.where(np.isnan(self.floor), found, self.floor + np.exp(np.minimum(found, 700.0)))


class Forecast:
    """Predicts the ends of trials from a rung, by a Gaussian process on trials that went on from there.

    A slow learner that has a small learning rate is not one that will never learn: beside the value at the
    rung it looks at what is known of the candidate and at how it is trained. What is the same at the rung and
    at the end, as costs are, is known.

    Args:
        domain: What the trials are of.
        signs: 1 for each objective to be minimised, -1 for each to be maximised.
    """

    def __init__(self, domain: Domain, signs: Array) -> None:
        self.domain = domain
        self.signs = signs
        self._encoding = Encoding(domain)
        self._training = self._encoding.columns(domain.training)
        self._groups = np.unique(self._encoding.groups[self._training], return_inverse=True)[1]
        self._thetas: dict[int, _Fitted] = {}

    def ends(self, finished: Sequence[Observation], rung: int, of: Sequence[Observation]) -> Ends | None:
        """Return what to expect of trials ``of`` at full training; ``None`` where too little is known.

        Of those that are complete what would be expected without them.

        Args:
            finished: The trials that ended.
            rung: At which ``of`` are judged.
            of: Trials that reached it.
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
        return Ends(mean, deviation, floor)

    def _fitted(self, on: list[Observation], rung: int) -> _Fitted:
        """Return each objective's hyperparameters as of the trials that ended first, up to a round number.

        So they are the same for every worker, and are fitted anew only now and then.
        """
        count = refitted_at(len(on), _FEWEST, _FITTED_ANEW)
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
        """Return how trials are trained, as far as it was chosen, shape (trials, columns)."""
        return self._encoding([o.params for o in observations])[:, self._training]

    def features(self, observations: Sequence[Observation]) -> list[Sequence[float]]:
        """Return what is known of the candidates of trials; nothing of those that are of no use any more."""
        params = [observation.params for observation in observations]
        return [self.domain.features(p) if self.domain.known(p) is not None else () for p in params]


@dataclass(frozen=True)
class _Fitted:
    """The hyperparameters for each objective as of the ``count`` trials that ended first."""

    count: int
    thetas: dict[int, Array]


class _View:
    """Trials as the model sees them, on the scales of some that are complete.

    Attributes:
        distances: For each objective that changes from the rung to the end the scale that it is modelled on.
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
        """Return trials as points, shape (trials, columns), the last columns for how they are trained."""
        # What was the same for all of them tells nothing.
        span = np.where(self._span > 0, self._span, np.inf)
        values = (self._values(observations) - self._low) / span
        return np.concatenate([values, self._forecast.training(observations)], axis=1)

    def residuals(self, on: Sequence[Observation], objective: int) -> tuple[Line, Array]:
        """Return the line from the rung to the ends of complete trials, and what they are off it by."""
        now = self.logs(on, objective)
        ends = self.distances[objective](np.array([o.values[objective] for o in on]))
        line = Line.through(now, now, ends)
        return line, ends - line.at(now)

    def logs(self, observations: Sequence[Observation], objective: int) -> Array:
        """Return an objective at the rung on its scale, without a ceiling: at a rung all may be far off."""
        distance = self.distances[objective]
        now = np.array([o.rungs[self._rung][objective] for o in observations])
        return np.asarray(np.log(np.maximum(now - distance.floor, distance.least)))

    def _values(self, observations: Sequence[Observation]) -> Array:
        """Return what trials have at the rung, and what is known of them."""
        if self._width:
            rows = [row or [0.0] * self._width for row in self._forecast.features(observations)]
            beside = np.array(rows, dtype=float)
        else:
            now = np.array([o.rungs[self._rung] for o in observations])
            beside = np.delete(now, list(self.distances), axis=1)
        return np.concatenate(
            [*(self.logs(observations, j)[:, None] for j in self.distances), beside], axis=1
        )
