"""Non-domination ranks of points that are added one after the other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import NDArray

from optnas.pareto.dominance import crowding, dominates, ranks
from optnas.pareto.hypervolume import contributions

__all__ = ["Ranking"]

# More new points than this at once are ranked faster together with all others than one by one.
_TOGETHER = 50


class Ranking:
    """Points with their non-domination ranks, which are updated as points are added.

    A new point takes the rank after the worst that dominates it, and pushes the points that it dominates
    one rank further, which push others (Li et al. 2017, "Efficient nondomination level update"): linear
    time, where ranking all anew takes n log n for two objectives and quadratic time for more.
    """

    def __init__(self) -> None:
        self._values: dict[Hashable, tuple[float, ...]] = {}
        self._new: list[Hashable] = []
        self._whole = True
        self._places: dict[Hashable, int] = {}
        self._points = np.zeros((0, 0))
        self._ranks = np.zeros(0, dtype=np.intp)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values

    def put(self, key: Hashable, values: Iterable[float]) -> None:
        """Add or replace the point of ``key``, to be minimised; NaN counts as worse than everything."""
        point = tuple(np.inf if value != value else float(value) for value in values)
        before = self._values.get(key)
        if before == point:
            return
        self._values[key] = point
        if before is None:
            self._new.append(key)
        else:
            self._whole = False

    def drop(self, key: Hashable) -> None:
        """Remove the point of ``key``, if there is one."""
        if self._values.pop(key, None) is not None:
            self._whole = False

    def ranks(self) -> dict[Hashable, int]:
        """Return the rank of every point: 0 for the front."""
        self._settle()
        return {key: int(self._ranks[place]) for key, place in self._places.items()}

    def rank(self, key: Hashable) -> int:
        """Return the rank of the point of ``key``."""
        self._settle()
        return int(self._ranks[self._places[key]])

    def count_worse(self, key: Hashable) -> int:
        """Return how many points have a higher rank than the point of ``key``."""
        self._settle()
        return int(np.count_nonzero(self._ranks > self._ranks[self._places[key]]))

    def is_among_first(self, key: Hashable, count: int) -> bool:
        """Return whether ``key`` is among the first ``count`` points, in the order of NSGA-II.

        By rank; within a rank by hypervolume contribution, for more than two objectives by crowding distance.
        Both are computed from the points' positions along each objective, not from their values, so that no
        objective weighs more for its unit or its spread. Equal points share the first of their positions.
        """
        self._settle()
        mine = self._places[key]
        rank = self._ranks[mine]
        ahead = int(np.count_nonzero(self._ranks < rank))
        level = np.flatnonzero(self._ranks == rank)
        if ahead >= count or ahead + len(level) <= count:
            return ahead < count
        points, inverse, equals = np.unique(
            _in_places(self._points)[level], axis=0, return_inverse=True, return_counts=True
        )
        apart = _apart(points)
        here = apart[inverse.reshape(-1)[int(np.searchsorted(level, mine))]]
        # Sums of the same terms in another order may differ in their last digits.
        return ahead + int(equals[apart > here * (1 + 1e-9)].sum()) < count

    def _settle(self) -> None:
        """Update the ranks with all points added or removed since the last time."""
        if self._whole and not self._new:
            return
        if not self._whole:
            self._places, self._points, self._ranks = {}, self._points[:0], self._ranks[:0]
            self._new = list(self._values)
            if not self._new:
                self._whole = True
                return
        points = np.array([self._values[key] for key in self._new], dtype=float)
        one_by_one = len(self._places) > 0 and len(points) <= _TOGETHER and self._whole
        for key, point in zip(self._new, points, strict=True):
            self._places[key] = len(self._places)
            if one_by_one:
                self._insert(point)
        if not one_by_one:
            self._points = np.concatenate([self._points.reshape(-1, points.shape[1]), points])
            self._ranks = ranks(self._points)
        self._new, self._whole = [], True

    def _insert(self, point: NDArray[np.float64]) -> None:
        points, rank_of = self._points.reshape(-1, len(point)), self._ranks
        dominators = rank_of[dominates(points, point)]
        rank = 0 if len(dominators) == 0 else int(dominators.max()) + 1
        by_rank = np.argsort(rank_of, kind="stable")
        ends = np.cumsum(np.bincount(rank_of))
        pushing, level = point[None], rank
        while len(pushing) and level < len(ends):
            there = by_rank[ends[level - 1] if level else 0 : ends[level]]
            pushed = there[_dominated_by(pushing, points[there])]
            rank_of[pushed] += 1
            pushing, level = points[pushed], level + 1
        self._points = np.concatenate([points, point[None]])
        self._ranks = np.append(rank_of, rank)


def _dominated_by(front: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which of ``points`` are dominated by any of ``front``, none of which dominates another."""
    if points.shape[1] != 2:
        return np.asarray(dominates(front[:, None], points).any(axis=0))
    # Of the front's points that are no worse in the first objective, the nearest is the best in the second.
    front = front[np.argsort(front[:, 0])]
    nearest = np.searchsorted(front[:, 0], points[:, 0], side="right") - 1
    return np.asarray((nearest >= 0) & dominates(front[nearest], points))


def _in_places(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each value's position along its objective, from 0 for the best to 1 for the worst."""
    places = [np.unique(column, return_inverse=True)[1].reshape(-1) for column in points.T]
    return np.stack([place / max(1, place.max()) for place in places], axis=1)


def _apart(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each point's hypervolume contribution or crowding distance, for distinct points of one rank."""
    if points.shape[1] == 2:
        return contributions(points, (1.1, 1.1))
    return crowding(points)
