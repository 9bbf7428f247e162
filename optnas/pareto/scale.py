"""Scaling of objectives: to logarithms if values span more than a factor of ten, and to [0, 1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Points", "in_decades", "scaled", "scaled_to"]

Points = NDArray[np.float64]
"""Array of shape (points, objectives)."""


def in_decades(points: Points) -> Points:
    """Return the points with the values of every wide objective replaced by decimal logarithms.

    An objective is wide if its values have one sign and span more than a factor of ten, as costs do.
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
    """Return the points in decades, with each objective scaled to [0, 1] over all of them.

    Infinity and NaN become 1, the worst, minus infinity 0.
    """
    columns = []
    for column in in_decades(points).T:
        finite = column[np.isfinite(column)]
        low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
        share = (column - low) / (high - low) if high > low else np.zeros_like(column)
        columns.append(np.clip(np.nan_to_num(share, nan=1.0, posinf=1.0, neginf=0.0), 0.0, 1.0))
    return np.stack(columns, axis=1)


def scaled_to(points: Points, worst: Points) -> Points:
    """Return the :func:`scaled` points with the worst value inside the region of interest at 1, if known.

    Args:
        points: At least one.
        worst: The worst value of each objective inside the region of interest, NaN where that is unknown.
            Values beyond it come to more than 1.
    """
    known = np.isfinite(worst)
    *space, limit = scaled(np.concatenate([points, np.where(known, worst, points[0])[None]]))
    unit = np.where(known & (limit > 0), limit, 1.0)
    return np.asarray(np.array(space) / unit)
