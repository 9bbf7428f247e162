"""The line from what trials had at a rung to what they came to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Line"]

Array = NDArray[np.float64]

# Before any trial went on, differences are taken to stay as they are, but for a quarter of how much
# values at that rung differ. So many trials' worth of that is believed.
_BELIEVED, _DOUBT = 3, 0.25
# Within which share of the standard deviation at a rung trials are alike there.
_ALIKE = 0.3
# Standard deviations in a median absolute deviation, of a normal distribution.
_DEVIATIONS = 1.4826


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

    def at(self, values: Array) -> Array:
        """Return where the line is at values at the rung."""
        return self.shift + self.slope * values

    def ends(self, values: Array) -> tuple[Array, Array]:
        """Return what to expect at full training of values at the rung, and its standard deviation.

        The line is off by what it was off for trials that were alike at the rung, which one more
        trial that was off by nothing, with the variance of all, is counted among.
        """
        weights = np.exp(-0.5 * np.square((values[:, None] - self.first) / self.width))
        total = weights.sum(axis=1) + 1.0
        bias = weights @ self.off / total
        variance = (weights @ np.square(self.off) + self.prior) / total - np.square(bias)
        return self.at(values) + bias, np.sqrt(np.maximum(variance, 0.0))
