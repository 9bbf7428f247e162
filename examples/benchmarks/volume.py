"""How much of what there is to find a search of recorded architectures has found."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optnas.pareto import front, hypervolume

REFERENCE = (1.0, 1.0)


class Volume:
    """The hypervolume of (error, cost) as a share of that of a whole table.

    Both are scaled to [0, 1] over the table, the cost as its log10 where all costs are positive;
    the reference is (1, 1).

    Args:
        every: All architectures of the table, shape (architectures, 2): errors and costs, to be minimised.
        clip: An error is at most the table's best plus this.
    """

    def __init__(self, every: NDArray[np.float64], clip: float = math.inf) -> None:
        every = every[np.isfinite(every).all(axis=1)]
        self._worst = every[:, 0].min() + clip
        self._decades = bool((every[:, 1] > 0).all())
        raw = self._raw(every)
        self._low = raw.min(axis=0)
        span = raw.max(axis=0) - self._low
        self._span = np.where(span > 0, span, 1.0)
        self._true = hypervolume(self._scaled(every), REFERENCE) or 1.0  # of a single point

    def share(self, points: NDArray[np.float64]) -> float:
        """Return the share that points, shape (points, 2), have."""
        return hypervolume(self._scaled(points), REFERENCE) / self._true

    def _scaled(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((self._raw(points) - self._low) / self._span)

    def _raw(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        costs = np.log10(points[:, 1]) if self._decades else points[:, 1]
        return np.stack([np.minimum(points[:, 0], self._worst), costs], axis=1)


class Found:
    """What a search has found so far.

    Attributes:
        share: Of the volume.
    """

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._front = np.zeros((0, 2))
        self.share = 0.0

    def add(self, point: Sequence[float] | None) -> float:
        """Return the share with one more point; ``None`` adds nothing."""
        if point is not None:
            points = np.concatenate([self._front, [point]])
            self._front = points[front(points)]
            self.share = self._volume.share(self._front)
        return self.share
