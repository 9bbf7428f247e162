"""Scaling of objectives: to logarithms if values span more than a factor of ten, and to [0, 1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["WIDE", "Points", "decades", "in_decades", "is_wide", "scaled", "scaled_to", "shares"]

Points = NDArray[np.float64]
"""Array of shape (points, objectives)."""


WIDE = 10.0
"""Values that span more than this factor are compared by their logarithms."""


def is_wide(values: NDArray[np.float64]) -> bool:
    """Return whether finite values of one sign span more than a factor of ten."""
    one_sign = bool((values > 0).all() or (values < 0).all())
    magnitude = np.abs(values)
    with np.errstate(over="ignore"):  # nothing is beyond what overflows
        return one_sign and bool(np.isfinite(values).all()) and bool(magnitude.max() > WIDE * magnitude.min())


def decades(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the decimal logarithms of values, with their sign."""
    return np.asarray(np.sign(values) * np.log10(np.maximum(np.abs(values), 1e-300)))


def in_decades(points: Points) -> Points:
    """Return the points with the values of every wide objective replaced by decimal logarithms.

    Costs are wide (:func:`is_wide`), for instance.
    """
    return np.stack([decades(column) if is_wide(column) else column for column in points.T], axis=1)


def shares(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Return how far values are from ``low``, at 0, to ``high``, at 1; both finite."""
    # Halves, as the difference of the largest numbers is infinite.
    return np.asarray((values / 2 - low / 2) / (high / 2 - low / 2))


def scaled(points: Points) -> Points:
    """Return the points in decades, with each objective scaled to [0, 1] over all of them.

    Infinity and NaN become 1, the worst, minus infinity 0.
    """
    columns = []
    for column in in_decades(points).T:
        finite = column[np.isfinite(column)]
        low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
        share = shares(column, low, high) if high > low else np.zeros_like(column)
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
