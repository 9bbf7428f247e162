"""What trials that stopped early tell of full training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.trial import TrialState

from optnas.samplers.history import Observation, merged

__all__ = ["Evidence", "Line", "evidence"]

Array = NDArray[np.float64]

# Before any trial went on, differences are taken to stay as they are, but for a quarter of how much
# values at that rung differ. So many trials' worth of that is believed.
_BELIEVED, _DOUBT = 3, 0.25
# Within which share of the standard deviation at a rung trials are alike there.
_ALIKE = 0.3
# The last so many trials that went on from a rung tell how values change from there.
_WENT_ON = 100
# Standard deviations in a median absolute deviation, of a normal distribution.
_DEVIATIONS = 1.4826


@dataclass(frozen=True)
class Evidence:
    """What trials say of the values of their candidates at full training.

    Attributes:
        observations: The trials.
        values: What each found, or is expected to have found had it gone on; shape (trials, objectives).
        deviations: The standard deviation of what is expected, 0 of what was found; of the same shape.
    """

    observations: list[Observation]
    values: Array
    deviations: Array


def evidence(finished: Sequence[Observation]) -> Evidence:
    """Return what trials that completed or were pruned tell, a paused one and its promotion as one trial.

    What a pruned trial had at its last rung is carried on to full training by a line, with a slope and
    a shift that are medians over the trials that have both (Theil 1950; Sen 1968): networks that failed
    altogether do not bend it. That is the autoregressive model of Kennedy & O'Hagan (2000), "Predicting
    the output from a complex computer code when fast approximations are available", with one line for
    each rung. Curves are no lines, so it is corrected by what trials of like values at the rung were
    off by, weighted by a kernel (Nadaraya 1964), and is as sure as these were close. Which trials went
    on was decided by the rung's value, and what predicts from that value is not biased by it. A hopeless
    trial would have come to what it had.
    """
    finished = merged(finished)
    told: list[Observation] = []
    values: list[Array] = []
    deviations: list[Array] = []
    lines: dict[int, list[Line]] = {}
    for observation in finished:
        found, deviation = observation.values, np.zeros_like(observation.values)
        if observation.state == TrialState.PRUNED and observation.rungs:
            rung = max(observation.rungs)
            reached = observation.rungs[rung]
            if observation.hopeless:
                found = reached
            else:
                if rung not in lines:
                    lines[rung] = _lines(finished, rung)
                ends = [line.ends(column) for line, column in zip(lines[rung], reached[:, None], strict=True)]
                found, deviation = np.array(ends)[..., 0].T
        if np.isfinite(found).all():
            told.append(observation)
            values.append(found)
            deviations.append(deviation)
    shape = (len(told), len(values[0]) if values else 0)
    return Evidence(told, np.array(values).reshape(shape), np.array(deviations).reshape(shape))


@dataclass(frozen=True)
class Line:
    """How values at a rung become values at full training.

    Attributes:
        slope, shift: Of the line.
        first: The values at the rung of the trials that went on, shape (trials,).
        off: How far from the line they came to be.
        width: Within about which distance at the rung trials are alike.
        prior: The variance about the line where no trial is alike.
    """

    slope: float
    shift: float
    first: Array
    off: Array
    width: float
    prior: float

    @classmethod
    def through(cls, here: Array, first: Array, last: Array) -> Line:
        """Return the line through ``first`` and ``last``, given all the values that there are at the rung."""
        here = here[np.isfinite(here)]
        apart = float(np.median(np.abs(here - np.median(here)))) if len(here) else 0.0
        i, j = np.triu_indices(len(first), 1)
        i, j = i[first[i] != first[j]], j[first[i] != first[j]]
        slopes = (last[i] - last[j]) / (first[i] - first[j])
        slope = max(0.0, float(np.median([*slopes, *[1.0] * _BELIEVED])))
        left = last - slope * first
        shift = float(np.median(left)) if len(left) else 0.0
        off = left - shift
        # What is the same at every rung, as costs are, leaves no doubt; by chance only one or two are.
        constant = len(first) > 0 and bool((first == last).all())
        spread = 0.0 if constant or len(last) < 2 else float(last.var())
        doubt = 0.0 if constant else _DOUBT * _DEVIATIONS * apart
        width = _ALIKE * float(here.std()) if len(here) else 0.0
        return cls(slope, shift, first, off, max(width, 1e-12), spread + doubt**2)

    def ends(self, values: Array) -> tuple[Array, Array]:
        """Return what to expect at full training of values at the rung, and its standard deviation.

        The line is off by what it was off for trials that were alike at the rung, which one more
        trial that was off by nothing, with the variance of all, is counted among.
        """
        weights = np.exp(-0.5 * np.square((values[:, None] - self.first) / self.width))
        total = weights.sum(axis=1) + 1.0
        bias = weights @ self.off / total
        variance = (weights @ np.square(self.off) + self.prior) / total - np.square(bias)
        return self.shift + self.slope * values + bias, np.sqrt(np.maximum(variance, 0.0))


def _lines(finished: Sequence[Observation], rung: int) -> list[Line]:
    """Return for each objective how values at a rung become values at full training."""
    at_rung = [o for o in finished if rung in o.rungs and not o.hopeless]
    here = np.array([o.rungs[rung] for o in at_rung])
    both = np.array([(o.rungs[rung], o.values) for o in at_rung])
    both = both[np.isfinite(both).all(axis=(1, 2))][-_WENT_ON:]
    first, last = both.transpose(1, 0, 2)
    return [Line.through(*columns) for columns in zip(here.T, first.T, last.T, strict=True)]
