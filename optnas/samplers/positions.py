"""Numbers as positions in [0, 1] between the least and the greatest value, on their distribution's scale."""

from __future__ import annotations

import math
from typing import Any

from optuna.distributions import IntDistribution

__all__ = ["position", "value_at"]


def position(distribution: Any, value: float) -> float:
    """Return the position of ``value`` between a number's lowest value, 0, and its highest, 1."""
    low, high = distribution.low, distribution.high
    if distribution.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return float((value - low) / (high - low))


def value_at(distribution: Any, place: float) -> Any:
    """Return the value at a position in [0, 1]: the inverse of :func:`position`."""
    low, high, step = distribution.low, distribution.high, distribution.step
    if distribution.log:
        value = math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
    else:
        value = low + place * (high - low)
    if step is not None:
        value = low + step * round((value - low) / step)
    value = min(max(value, low), high)
    return int(value) if isinstance(distribution, IntDistribution) else float(value)
