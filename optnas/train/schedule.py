"""How the learning rate changes over training."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["SCHEDULES", "learning_rate"]

_START = 0.1


def _cosine(progress: float) -> float:
    """Half a cosine from the largest rate down to 0 (Loshchilov & Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


# A third up is Smith's (2018) advice for one cycle, shortened, as a search trains briefly.
SCHEDULES: dict[str, tuple[float, Callable[[float], float]]] = {
    "constant": (0.0, lambda progress: 1.0),
    "cosine": (0.0, _cosine),
    "one-cycle": (0.25, _cosine),
}
"""By name: the share of the steps for warming up, and the share of the largest rate at a progress
from 0 to 1 through the rest."""


def learning_rate(schedule: str, warm_up: float | None, progress: float) -> float:
    """Return the share of the largest rate.

    Args:
        schedule: A key of :data:`SCHEDULES`.
        warm_up: The share of the steps in which the rate rises linearly from a tenth; ``None`` for
            the schedule's own.
        progress: The share of the steps that are done, from 0 to below 1.
    """
    usual, after = SCHEDULES[schedule]
    warm_up = usual if warm_up is None else warm_up
    if progress < warm_up:
        return _START + (1 - _START) * progress / warm_up
    return after((progress - warm_up) / (1 - warm_up))
