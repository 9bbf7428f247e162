"""What trials that were pruned would have come to, by those that went on from the same rung."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["extrapolated"]

Array = NDArray[np.float64]


def extrapolated(rungs: Sequence[Mapping[int, Array]], values: Array) -> Array:
    """Return what each trial found or, where that is NaN, what it can be expected to have found.

    A pruned trial has its values at its last rung, and others that went on have theirs both there and
    at the end: what is the k-th best of them at the rung is taken for the k-th best at the end, with
    straight lines between, and a trial better or worse than all of them gains as much as the nearest.
    So trials keep the order of their rung, scales and shifts of an objective change nothing, and what is
    the same at every rung, as FLOPs are, stays as it is. Where none went on, nothing is gained.

    Args:
        rungs: The values of each trial at its rungs, ascending, each of shape (objectives,).
        values: Those at the end, shape (trials, objectives).

    Returns:
        Shape (trials, objectives); NaN for trials without values that reached no rung.
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
    """Return ``now`` on the scale of ``after``, by the places that values have in ``before``."""
    places, which, equals = np.unique(before, return_inverse=True, return_counts=True)
    ends = np.bincount(np.sort(which), weights=np.sort(after)) / equals  # of equal ones the mean
    within: Array = np.interp(now, places, ends)
    beyond: Array = np.minimum(now - places[0], 0.0) + np.maximum(now - places[-1], 0.0)
    return within + beyond
