"""Expected hypervolume improvement in closed form. All objectives are to be minimised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy
from numpy.typing import NDArray

__all__ = ["Belief", "Known", "LogDistance", "LogNormal", "expected_improvement"]

Array = NDArray[np.float64]

# Distance of the ceiling above the best value, as a multiple of the median's distance from the best.
_CEILING = 4
# The same if the values have a limit, as a multiple of the limit's distance from the best.
_MARGIN = 4
# Distance of the floor below the ideal value, as a multiple of the median's distance from the best.
_BELOW_IDEAL = 0.25


class Belief(Protocol):
    """Predictive distribution of one objective at some candidates."""

    def below(self, edges: Array) -> Array:
        """Return each candidate's expected improvement over each edge, E[max(edge - value, 0)].

        Shape (candidates, edges); 0 for an edge at minus infinity.
        """


@dataclass(frozen=True)
class Known:
    """Exactly known values, shape (candidates,)."""

    values: Array

    def below(self, edges: Array) -> Array:
        return np.maximum(edges[None, :] - self.values[:, None], 0.0)


@dataclass(frozen=True)
class LogNormal:
    """Shifted log-normal distribution: the logarithm of the distance to a floor is normal.

    Attributes:
        mean, deviation: Mean and standard deviation of that logarithm, shape (candidates,).
        floor: Lower bound of the values.
    """

    mean: Array
    deviation: Array
    floor: float

    def below(self, edges: Array) -> Array:
        # The price of a put option (Black & Scholes 1973) is this expectation.
        distance = np.maximum(edges - self.floor, 1e-300)[None, :]
        mean, deviation = self.mean[:, None], self.deviation[:, None]
        z = (np.log(distance) - mean) / deviation
        middle = np.exp(np.minimum(mean + 0.5 * np.square(deviation), 700.0))
        found: Array = np.maximum(
            distance * scipy.special.ndtr(z) - middle * scipy.special.ndtr(z - deviation), 0.0
        )
        return found


@dataclass(frozen=True)
class LogDistance:
    """Scale to model values on: the logarithm of their distance to a floor.

    It does not depend on the values' unit or sign, and has a high resolution among good values, as the
    logarithm of an error has. Values worse than a ceiling are set to it: otherwise the model would mostly
    describe by how much networks failed.

    Attributes:
        floor: The value of distance 0.
        least, most: Bounds that distances are clipped to.
    """

    floor: float
    least: float
    most: float

    @classmethod
    def of(
        cls, values: Array, counts: float, *, within: bool = False, ideal: float = -math.inf
    ) -> LogDistance:
        """Return the scale for ``values``.

        The floor lies as far below the best value as the median lies above it: the better half of the
        values spans a factor of two. The ceiling lies four times as far above the best.

        Args:
            values: Shape (values,), at least one.
            counts: The worst value that makes a difference: the ceiling is no lower.
            within: Whether only values up to ``counts`` matter; the ceiling then lies four times as far above
                the best value as ``counts`` does.
            ideal: The best possible value; with ``within``, the floor is at most slightly below it.
        """
        if within and (values < counts).any():
            best, middle = float(values.min()), float(np.median(values[values < counts]))
            unit = (middle - best) or counts - best
            floor = max(best - unit, ideal - _BELOW_IDEAL * unit)
            return cls(floor, 1e-9 * unit, _MARGIN * (counts - best) + best - floor)
        best, middle = float(values.min()), float(np.median(values))
        unit = (middle - best) or float(values.max() - best) or 1.0
        return cls(best - unit, 1e-9 * unit, max(_CEILING * unit, counts - best) + unit)

    def __call__(self, values: Array) -> Array:
        found: Array = np.log(np.clip(values - self.floor, self.least, self.most))
        return found

    def inverse(self, logs: Array) -> Array:
        """Return the values whose log distances are ``logs``."""
        return self.floor + np.exp(logs)


def expected_improvement(lower: Array, upper: Array, beliefs: Sequence[Belief]) -> Array:
    """Return the expected hypervolume improvement of each candidate over a front.

    With independent beliefs, the expected volume that a candidate adds in one box is the product over
    objectives of the expected overlap, which is a difference of two expected improvements.

    Args:
        lower, upper: The corners of the boxes that the front leaves undominated, as
            :func:`optnas.pareto.boxes` returns them.
        beliefs: The predictive distribution of each objective.

    Returns:
        Shape (candidates,).
    """
    overlaps: Array | float = 1.0
    for objective, belief in enumerate(beliefs):
        edges, place = np.unique(
            np.concatenate([lower[:, objective], upper[:, objective]]), return_inverse=True
        )
        below = belief.below(edges)
        overlaps = overlaps * (below[:, place[len(lower) :]] - below[:, place[: len(lower)]])
    return np.asarray(np.sum(overlaps, axis=1))
