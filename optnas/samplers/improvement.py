"""Expected hypervolume improvement in closed form. All objectives are to be minimised."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from optnas import pareto

__all__ = ["Belief", "Known", "Normal", "expected_improvement", "log_distance"]

Array = NDArray[np.float64]


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
class Normal:
    """Values that are normally distributed.

    Attributes:
        mean, deviation: Shape (candidates,).
    """

    mean: Array
    deviation: Array

    def below(self, edges: Array) -> Array:
        short = np.maximum(edges, -1e100)[None, :] - self.mean[:, None]
        deviation = self.deviation[:, None]
        z = short / deviation
        density = np.exp(-0.5 * np.square(z)) / math.sqrt(2 * math.pi)
        found: Array = np.maximum(short * ndtr(z) + deviation * density, 0.0)
        return found


def log_distance(values: Array) -> Callable[[Array], Array]:
    """Return the logarithm of the distance to a floor, as a scale for values like these.

    The floor lies as far below the best value as the median lies above it: the better half of the
    values spans a factor of two, however far off the worst of them are. That scale is monotone, does
    not depend on the values' unit or sign, and tells the good from the better, as the log of an error
    does.
    """
    best, middle = float(values.min()), float(np.median(values))
    distance = (middle - best) or float(values.max() - best) or 1.0
    return lambda found: np.log(np.maximum(found - (best - distance), 1e-9 * distance))


def expected_improvement(front: Array, reference: Sequence[float], beliefs: Sequence[Belief]) -> Array:
    """Return by how much each candidate is expected to enlarge the hypervolume of ``front``.

    With independent beliefs, the expected volume that a candidate adds in one box is the product over
    objectives of the expected overlap, which is a difference of two expected improvements.

    Args:
        front: Shape (points, objectives).
        reference: What bounds the hypervolume.
        beliefs: Of each objective.

    Returns:
        Shape (candidates,).
    """
    lower, upper = pareto.boxes(front, reference)
    overlaps: Array | float = 1.0
    for objective, belief in enumerate(beliefs):
        edges, place = np.unique(
            np.concatenate([lower[:, objective], upper[:, objective]]), return_inverse=True
        )
        below = belief.below(edges)
        overlaps = overlaps * (below[:, place[len(lower) :]] - below[:, place[: len(lower)]])
    return np.asarray(np.sum(overlaps, axis=1))
