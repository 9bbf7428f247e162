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

# How far above the best value the ceiling lies, in distances of the median from the best.
_CEILING = 4
# The same where values beyond a limit are of no use, in distances of the limit from the best.
_MARGIN = 4
# How far below the best that can be the floor lies, in distances of the median from the best.
_BELOW_IDEAL = 0.25


class Belief(Protocol):
    """What is believed of one objective of some candidates."""

    def below(self, edges: Array) -> Array:
        """Return by how much each candidate is expected to be below each edge, E[max(edge - value, 0)].

        Shape (candidates, edges); an edge at minus infinity is never undercut.
        """


@dataclass(frozen=True)
class Known:
    """Values, shape (candidates,), that are known."""

    values: Array

    def below(self, edges: Array) -> Array:
        return np.maximum(edges[None, :] - self.values[:, None], 0.0)


@dataclass(frozen=True)
class LogNormal:
    """Values whose distance to a floor has a normally distributed logarithm.

    Attributes:
        mean, deviation: Of that logarithm, shape (candidates,).
        floor: What no value is below.
    """

    mean: Array
    deviation: Array
    floor: float

    def below(self, edges: Array) -> Array:
        # The price of a put option (Black & Scholes 1973), which is this expectation.
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
    """The logarithm of the distance to a floor, as a scale to model values on.

    It does not depend on the values' unit or sign, and tells the good from the better, as the log of an
    error does. What is worse than a ceiling is taken to lie there: by how much networks failed would
    else be most of what there is to model.

    Attributes:
        floor: Where the distance is 0.
        least, most: The distances that are told apart.
    """

    floor: float
    least: float
    most: float

    @classmethod
    def of(
        cls, values: Array, counts: float, *, within: bool = False, ideal: float = -math.inf
    ) -> LogDistance:
        """Return the scale for values like these.

        The floor lies as far below the best value as the median lies above it: the better half of the
        values spans a factor of two. The ceiling lies four times as far above the best.

        Args:
            values: Shape (values,), at least one.
            counts: Up to what a value makes a difference: the ceiling is no lower.
            within: Whether only values up to ``counts`` count, and the ceiling lies a little above that.
            ideal: The best that a value can be; the floor lies just below it, if not above.
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
        """Return the values of these logarithms."""
        return self.floor + np.exp(logs)


def expected_improvement(lower: Array, upper: Array, beliefs: Sequence[Belief]) -> Array:
    """Return by how much each candidate is expected to enlarge the hypervolume of a front.

    With independent beliefs, the expected volume that a candidate adds in one box is the product over
    objectives of the expected overlap, which is a difference of two expected improvements.

    Args:
        lower, upper: The corners of the boxes that the front leaves undominated, as
            :func:`optnas.pareto.boxes` returns them.
        beliefs: Of each objective.

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
