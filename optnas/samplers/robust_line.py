"""Robust regression line from values at a rung to final values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Line"]

Array = NDArray[np.float64]

# Prior of the line, before any trial was trained further: a slope of 1, counted so many times among the
# observed slopes, and a deviation of a quarter of the spread of values at the rung.
_BELIEVED, _DOUBT = 3, 0.25
# Kernel width, as a share of the standard deviation of values at the rung.
_ALIKE = 0.3
# Ratio of standard deviation to median absolute deviation of a normal distribution.
_DEVIATIONS = 1.4826


@dataclass(frozen=True)
class Line:
    """Line from values at a rung to values at full training, with a correction by similar trials.

    Attributes:
        slope, shift: Slope and intercept of the line.
        first: The values at the rung of trials trained further, shape (trials,).
        off: The residuals of these trials.
        width: Kernel width: distance at the rung up to which trials are similar.
        prior: The residual variance if no trial is similar.
    """

    slope: float
    shift: float
    first: Array
    off: Array
    width: float
    prior: float

    @classmethod
    def through(cls, here: Array, first: Array, last: Array) -> Line:
        """Return the line fitted to ``first`` at the rung and ``last`` at the end.

        ``here`` are the values of all trials at the rung, which set the width and the prior.
        """
        here = here[np.isfinite(here)]
        apart = float(np.median(np.abs(here - np.median(here)))) if len(here) else 0.0
        i, j = np.triu_indices(len(first), 1)
        i, j = i[first[i] != first[j]], j[first[i] != first[j]]
        slopes = (last[i] - last[j]) / (first[i] - first[j])
        slope = max(0.0, float(np.median([*slopes, *[1.0] * _BELIEVED])))
        left = last - slope * first
        shift = float(np.median(left)) if len(left) else 0.0
        off = left - shift
        # An objective that is equal at every rung, such as a cost, leaves no doubt. By chance only one or two
        # trials have equal values.
        constant = len(first) > 0 and bool((first == last).all())
        spread = 0.0 if constant or len(last) < 2 else float(last.var())
        doubt = 0.0 if constant else _DOUBT * _DEVIATIONS * apart
        width = _ALIKE * float(here.std()) if len(here) else 0.0
        return cls(slope, shift, first, off, max(width, 1e-12), spread + doubt**2)

    def at(self, values: Array) -> Array:
        """Return the line at ``values``, without the correction."""
        return self.shift + self.slope * values

    def ends(self, values: Array) -> tuple[Array, Array]:
        """Return the predicted final values of values at the rung, and their standard deviations.

        The line is corrected by the mean residual of trials that are similar at the rung. One more trial,
        with a residual of 0 and the prior variance, is counted among them.
        """
        weights = np.exp(-0.5 * np.square((values[:, None] - self.first) / self.width))
        total = weights.sum(axis=1) + 1.0
        bias = weights @ self.off / total
        variance = (weights @ np.square(self.off) + self.prior) / total - np.square(bias)
        return self.at(values) + bias, np.sqrt(np.maximum(variance, 0.0))
