"""Learning rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["SCHEDULES", "learning_rate"]

_START = 0.1


def _cosine(progress: float) -> float:
    """Return the share of the largest rate: half a cosine from 1 down to 0 (Loshchilov & Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


# One cycle warms up for a third of the steps in Smith (2018); for less here, as a search trains briefly.
SCHEDULES: dict[str, tuple[float, Callable[[float], float]]] = {
    "constant": (0.0, lambda progress: 1.0),
    "cosine": (0.0, _cosine),
    "one-cycle": (0.25, _cosine),
}
"""By name: the warm-up's share of the steps, and a function of the progress through the rest (0 to 1)
that returns the share of the largest rate."""


def learning_rate(schedule: str, warm_up: float | None, progress: float) -> float:
    """Return the learning rate as a share of the largest rate.

    Args:
        schedule: A key of :data:`SCHEDULES`.
        warm_up: The share of the steps in which the rate rises linearly from a tenth; ``None`` for
            the schedule's own.
        progress: The share of the steps done so far, from 0 to below 1.
    """
    usual, after = SCHEDULES[schedule]
    warm_up = usual if warm_up is None else warm_up
    if progress < warm_up:
        return _START + (1 - _START) * progress / warm_up
    return after((progress - warm_up) / (1 - warm_up))
