"""How the learning rate changes over training."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["SCHEDULES"]

# Shares of the steps: a third up is Smith's (2018) advice shortened, as a search trains briefly.
_WARM_UP = 0.25
_START = 0.1


def _one_cycle(progress: float) -> float:
    """Linear from a tenth up to the largest rate, then half a cosine down to 0 (Smith 2018)."""
    if progress < _WARM_UP:
        return _START + (1 - _START) * progress / _WARM_UP
    return _cosine((progress - _WARM_UP) / (1 - _WARM_UP))


def _cosine(progress: float) -> float:
    """Half a cosine from the largest rate down to 0 (Loshchilov & Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "cosine": _cosine,
    "one-cycle": _one_cycle,
}
"""By name: the share of the largest rate at a progress from 0 to 1."""
