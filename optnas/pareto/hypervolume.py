"""Hypervolume: the volume that points dominate, within a reference point. All values are to be minimised."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from optnas.pareto.dominance import front, ranks
from optnas.pareto.scale import Points

__all__ = ["boxes", "contributions", "hypervolume"]


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
    """Return disjoint boxes that make up the volume within ``reference`` that ``points`` do not dominate.

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
    """Return the hypervolume that each point alone adds; in O(n log n) for a front of two objectives."""
    points = np.asarray(points, dtype=float)
    bound = np.asarray(reference, dtype=float)
    if len(bound) == 2 and (points < bound).all() and not ranks(points).any():
        return _rectangles(points, bound)
    whole = hypervolume(points, reference)
    return np.array(
        [whole - hypervolume(np.delete(points, i, axis=0), reference) for i in range(len(points))]
    )


def _rectangles(pairs: Points, bound: Points) -> Points:
    """Return each point's contribution to a front of two objectives: a rectangle, or 0 for equal points."""
    distinct, inverse, counts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    right = np.append(distinct[1:, 0], bound[0])
    above = np.concatenate(([bound[1]], distinct[:-1, 1]))
    alone = (right - distinct[:, 0]) * (above - distinct[:, 1])
    return np.where(counts == 1, alone, 0.0)[inverse.reshape(-1)]
