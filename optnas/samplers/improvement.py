"""Expected hypervolume improvement in closed form. All objectives are to be minimised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from optnas import pareto

__all__ = ["Belief", "Known", "LogNormal", "expected_improvement", "log_distance"]

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
class LogNormal:
    """Values whose distance to a floor is log-normal.

    Attributes:
        floor: No value is below it.
        mean, deviation: Of the logarithm of the distance, shape (candidates,).
    """

    floor: float
    mean: Array
    deviation: Array

    def below(self, edges: Array) -> Array:
        height = np.maximum(edges - self.floor, 1e-300)[None, :]
        mean, deviation = self.mean[:, None], self.deviation[:, None]
        z = (np.log(height) - mean) / deviation
        # The price of a European put in the model of Black & Scholes (1973).
        found = height * ndtr(z) - np.exp(mean + 0.5 * deviation**2) * ndtr(z - deviation)
        return np.where(edges > self.floor, np.maximum(found, 0.0), 0.0)


def log_distance(values: Array) -> tuple[Array, float]:
    """Return values on a logarithmic scale of their distance to a floor, and the floor.

    The floor lies as far below the best value as the median lies above it: half of the values span a
    factor of two, however far off the worst of them are. It is a scale that is monotone, whatever the
    values' unit or sign, and that tells the good from the better, as the log of an error does.
    """
    best, middle = float(values.min()), float(np.median(values))
    distance = middle - best
    if distance <= 0:
        distance = float(values.max()) - best or 1.0
    floor = best - distance
    return np.log(values - floor), floor


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
        edges, place = np.unique(np.concatenate([lower[:, objective], upper[:, objective]]), return_inverse=True)
        below = belief.below(edges)
        overlaps = overlaps * (below[:, place[len(lower) :]] - below[:, place[: len(lower)]])
    return np.asarray(np.sum(overlaps, axis=1))
