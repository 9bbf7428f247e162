"""Non-domination ranks, the Pareto front, crowding distances. All values are to be minimised."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from optnas.pareto.scale import Points, scaled_to

__all__ = ["best_first", "crowding", "dominates", "front", "ranks"]


def dominates(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether points dominate others: no worse in any objective and better in one.

    Shapes (…, objectives), broadcast.
    """
    return np.asarray((points <= others).all(axis=-1) & (points < others).any(axis=-1))


def front(points: Points) -> NDArray[np.intp]:
    """Return the indices of the points that no other dominates, ascending; all of equal points.

    A point dominates another when it is no worse in any objective and better in at least one.
    """
    return np.flatnonzero(ranks(points) == 0)


def ranks(points: Points) -> NDArray[np.intp]:
    """Return each point's non-domination rank: 0 for the front, 1 for the front of the others, …

    Takes O(n²·m) time for n points and m objectives; O(n log n) for one or two. Points are ranked in
    lexicographic order, in which none comes before another that dominates it (Zhang et al. 2015,
    "An efficient approach to nondominated sorting", section III).
    """
    points = np.asarray(points, dtype=float)
    if len(points) == 0:
        return np.zeros(0, dtype=np.intp)
    if points.shape[1] == 1:
        return np.unique(points[:, 0], return_inverse=True)[1].reshape(-1).astype(np.intp)
    if points.shape[1] == 2:
        return _ranks_of_pairs(points)
    distinct, inverse = np.unique(points, axis=0, return_inverse=True)
    columns = np.ascontiguousarray(distinct[:, 1:].T)
    result = np.zeros(len(distinct), dtype=np.intp)
    for i in range(1, len(distinct)):
        dominators = (columns[:, :i] <= columns[:, i : i + 1]).all(axis=0)
        result[i] = np.max(result[:i][dominators] + 1, initial=0)
    return result[inverse.reshape(-1)]


def _ranks_of_pairs(points: Points) -> NDArray[np.intp]:
    """Return the ranks of points with two objectives, by one sweep along the first.

    Each front is represented by its smallest second value so far. These values increase from front to
    front, so the first front whose last point does not dominate the next one is found by bisection.
    """
    order = np.lexsort((points[:, 1], points[:, 0]))
    result = np.zeros(len(points), dtype=np.intp)
    reached: list[float] = []
    before, rank = None, 0
    for i, point in zip(order.tolist(), map(tuple, points[order].tolist()), strict=True):
        if point != before:  # equal points share a rank
            before, rank = point, bisect_right(reached, point[1])
            reached[rank : rank + 1] = [point[1]]
        result[i] = rank
    return result


def crowding(points: Points) -> Points:
    """Return each point's crowding distance: how far apart its neighbours along the front are.

    Summed over the objectives; infinite for the first and last of each (Deb et al. 2002, section III-B).
    Of equal points only the first has this distance, the others have 0.
    """
    points = np.asarray(points, dtype=float)
    distinct, first, inverse = np.unique(points, axis=0, return_index=True, return_inverse=True)
    distance = np.zeros(len(distinct))
    for column in distinct.T:
        order = np.argsort(column, kind="stable")
        along = column[order]
        distance[order[1:-1]] += along[2:] - along[:-2]
        distance[order[[0, -1]]] = np.inf
    result = np.zeros(len(points))
    result[first] = distance[inverse.reshape(-1)[first]]
    return result


def best_first(points: Points, worst: Points | None = None) -> NDArray[np.intp]:
    """Return the indices of the points in the order of NSGA-II: by rank, then the least crowded first.

    Crowding distances are those of points scaled by :func:`~optnas.pareto.scaled_to`. Equal points stay in
    their order.

    Args:
        points: The points.
        worst: The worst value of each objective inside the region of interest, NaN where that is unknown.
            Points beyond it come last, by how far beyond.
    """
    rank = ranks(points)
    distance, beyond = np.zeros(len(points)), np.zeros(len(points))
    if len(points) and points.shape[1] > 1:
        worst = np.full(points.shape[1], np.nan) if worst is None else worst
        space = scaled_to(points, worst)
        beyond = np.where(np.isfinite(worst), np.maximum(space - 1.0, 0.0), 0.0).sum(axis=1)
        for r in np.unique(rank[beyond == 0]):
            members = np.flatnonzero((rank == r) & (beyond == 0))
            distance[members] = crowding(space[members])
    return np.lexsort((-distance, rank, beyond))
