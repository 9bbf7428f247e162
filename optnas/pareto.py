"""Several objectives at once: dominance, fronts, and hypervolume. All values are to be minimised."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "best_first",
    "boxes",
    "contributions",
    "crowding",
    "front",
    "hypervolume",
    "in_decades",
    "ranks",
    "scaled",
    "scaled_to",
]

Points = NDArray[np.float64]
"""Shape (points, objectives)."""


def front(points: Points) -> NDArray[np.intp]:
    """Return the indices of the points that no other dominates, in order; of equal ones all.

    A point dominates another when it is no worse in any objective and better in at least one.
    """
    return np.flatnonzero(ranks(points) == 0)


def ranks(points: Points) -> NDArray[np.intp]:
    """Return each point's non-domination rank: 0 for the front, 1 for the front without it, …

    Takes O(n²·m) time for n points and m objectives; O(n log n) for one or two. Points are looked at in
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

    Each front is kept by the smallest second value it has reached: those are increasing, so the
    first front whose last point does not dominate the next one is found by bisection.
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


def hypervolume(points: Points, reference: Sequence[float]) -> float:
    """Return the volume that ``points`` dominate within ``reference``.

    Exact, by slicing along the last objective; fast for two and three objectives and fronts of
    some hundred points.
    """
    points = np.asarray(points, dtype=float).reshape(-1, len(reference))
    bound = np.asarray(reference, dtype=float)
    points = points[np.all(points < bound, axis=1)]
    return _volume(points[front(points)], bound) if len(points) else 0.0


def _volume(points: Points, bound: Points) -> float:
    if len(bound) == 1:
        return float(bound[0] - points[:, 0].min())
    points = points[np.argsort(points[:, -1], kind="stable")]
    if len(bound) == 2:
        # Each point adds the strip between itself and the lowest first value before it.
        lowest = np.minimum.accumulate(points[:, 0])
        before = np.concatenate(([bound[0]], lowest[:-1]))
        return float(np.sum((before - lowest) * (bound[1] - points[:, 1])))
    ends = np.append(points[1:, -1], bound[-1])
    volume = 0.0
    for i, (start, end) in enumerate(zip(points[:, -1], ends, strict=True)):
        if end > start:
            slab = points[: i + 1, :-1]
            volume += _volume(slab[front(slab)], bound[:-1]) * float(end - start)
    return volume


def boxes(points: Points, reference: Sequence[float]) -> tuple[Points, Points]:
    """Return the disjoint boxes, within ``reference``, that ``points`` leave undominated.

    Returns:
        Their lower corners, minus infinity where a box is open, and their upper corners, each of shape
        (boxes, objectives). One more box than points for two objectives, about their square for three.
    """
    bound = np.asarray(reference, dtype=float)
    points = np.asarray(points, dtype=float).reshape(-1, len(bound))
    points = points[np.all(points < bound, axis=1)]
    lower, upper = _boxes(points[front(points)], bound)
    return np.array(lower).reshape(-1, len(bound)), np.array(upper).reshape(-1, len(bound))


def _boxes(points: Points, bound: Points) -> tuple[list[list[float]], list[list[float]]]:
    if len(bound) == 1:
        return [[-np.inf]], [[min([bound[0], *points[:, 0]])]]
    # Slices along the last objective: in each, the points before it bound it in the other objectives.
    points = points[np.argsort(points[:, -1], kind="stable")]
    cuts = np.concatenate(([-np.inf], points[:, -1], [bound[-1]]))
    lower: list[list[float]] = []
    upper: list[list[float]] = []
    for i, (start, end) in enumerate(itertools.pairwise(cuts)):
        if end > start:
            slab = points[:i, :-1]
            low, up = _boxes(slab[front(slab)], bound[:-1])
            lower += [[*corner, start] for corner in low]
            upper += [[*corner, end] for corner in up]
    return lower, upper


def contributions(points: Points, reference: Sequence[float]) -> Points:
    """Return how much hypervolume would be lost with each point; in O(n log n) for a front of pairs."""
    points = np.asarray(points, dtype=float)
    bound = np.asarray(reference, dtype=float)
    if len(bound) == 2 and (points < bound).all() and not ranks(points).any():
        return _rectangles(points, bound)
    whole = hypervolume(points, reference)
    return np.array(
        [whole - hypervolume(np.delete(points, i, axis=0), reference) for i in range(len(points))]
    )


def _rectangles(pairs: Points, bound: Points) -> Points:
    """Return what each of a front of pairs alone dominates: up to its neighbours; of equal ones nothing."""
    distinct, inverse, counts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    right = np.append(distinct[1:, 0], bound[0])
    above = np.concatenate(([bound[1]], distinct[:-1, 1]))
    alone = (right - distinct[:, 0]) * (above - distinct[:, 1])
    return np.where(counts == 1, alone, 0.0)[inverse.reshape(-1)]


def in_decades(points: Points) -> Points:
    """Return the points with every wide objective by its decimal logarithm.

    Wide is an objective whose values have one sign and span more than a factor of ten, as costs do.
    """
    columns = []
    for column in points.T:
        magnitude = np.abs(column)
        one_sign = bool((column > 0).all() or (column < 0).all())
        if one_sign and np.isfinite(column).all() and magnitude.max() > 10 * magnitude.min():
            column = np.sign(column) * np.log10(magnitude)
        columns.append(column)
    return np.stack(columns, axis=1)


def scaled(points: Points) -> Points:
    """Return the points in decades, with each objective brought to [0, 1] over all of them.

    What is infinite or not a number becomes the worst.
    """
    columns = []
    for column in in_decades(points).T:
        finite = column[np.isfinite(column)]
        low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
        share = (column - low) / (high - low) if high > low else np.zeros_like(column)
        columns.append(np.clip(np.nan_to_num(share, nan=1.0, posinf=1.0, neginf=0.0), 0.0, 1.0))
    return np.stack(columns, axis=1)


def scaled_to(points: Points, worst: Points) -> Points:
    """Return the :func:`scaled` points with what is worst of use at 1, where it is known.

    Args:
        points: At least one.
        worst: Of each objective the worst value that is of use, NaN where that is not known. What lies
            beyond it comes to more than 1.
    """
    known = np.isfinite(worst)
    *space, limit = scaled(np.concatenate([points, np.where(known, worst, points[0])[None]]))
    unit = np.where(known & (limit > 0), limit, 1.0)
    return np.asarray(np.array(space) / unit)


def crowding(points: Points) -> Points:
    """Return each point's crowding distance: how far apart its neighbours along the front are.

    Summed over the objectives; infinite for the first and last of each (Deb et al. 2002, section III-B).
    Of equal points only one is counted as spread out, the others have distance 0.
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

    Distances are those of the :func:`scaled` points. Equal points stay in their order.

    Args:
        points: The points.
        worst: Of each objective the worst value that is of use, NaN where that is not known. What lies
            beyond it comes last, by how far beyond.
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
