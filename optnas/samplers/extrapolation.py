"""Extrapolation of pruned trials' values to the end, from complete trials at the same rung."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["extrapolated"]

Array = NDArray[np.float64]


def extrapolated(rungs: Sequence[Mapping[int, Array]], values: Array) -> Array:
    """Return each trial's final values, extrapolated from its last rung if they are NaN.

    A pruned trial has values at its last rung; complete trials have values both there and at the end. For
    each objective, the k-th best complete value at the rung maps to the k-th best at the end, with straight
    lines between; a trial better or worse than all of them gains as much as the nearest. So trials keep the
    order of their rung, the result does not depend on the scale or shift of an objective, and objectives
    that are equal at every rung, such as FLOPs, stay as they are. If no complete trial has the rung,
    the values there are returned unchanged.

    Args:
        rungs: Each trial's values by rung, ascending, each of shape (objectives,).
        values: Each trial's final values, NaN if it was pruned, shape (trials, objectives).

    Returns:
        Shape (trials, objectives); NaN for trials without final values that reached no rung.
    """
    expected = np.array(values, dtype=float)
    finished = np.isfinite(expected).all(axis=1).tolist()
    last = [
        None if done else max(reached, default=None) for done, reached in zip(finished, rungs, strict=True)
    ]
    for rung in {rung for rung in last if rung is not None}:
        here = [i for i in range(len(rungs)) if last[i] == rung]
        on = [i for i in range(len(rungs)) if finished[i] and rung in rungs[i]]
        now = np.array([rungs[i][rung] for i in here])
        before = np.array([rungs[i][rung] for i in on]).reshape(len(on), now.shape[1])
        for j, column in enumerate(now.T):
            expected[here, j] = _mapped(column, before[:, j], values[on, j]) if on else column
    return expected


def _mapped(now: Array, before: Array, after: Array) -> Array:
    """Return ``now`` mapped from the scale of ``before`` to that of ``after``, by sorted values."""
    places, which, equals = np.unique(before, return_inverse=True, return_counts=True)
    ends = np.bincount(np.sort(which), weights=np.sort(after)) / equals  # the mean of ties
    within: Array = np.interp(now, places, ends)
    beyond: Array = np.minimum(now - places[0], 0.0) + np.maximum(now - places[-1], 0.0)
    return within + beyond
