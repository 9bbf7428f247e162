"""Learning rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

__all__ = ["SCHEDULES", "learning_rate"]

_START = 0.1

_Shape = Callable[[float, float, Sequence[float]], float]


def _cosine(progress: float, decay: float, milestones: Sequence[float]) -> float:
    """Return the share of the largest rate: half a cosine from 1 down to 0 (Loshchilov & Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def _constant(progress: float, decay: float, milestones: Sequence[float]) -> float:
    return 1.0


def _step(progress: float, decay: float, milestones: Sequence[float]) -> float:
    """Return the share of the largest rate: ``decay`` for each milestone that has been reached."""
    return float(decay ** sum(progress >= milestone for milestone in milestones))


def _exponential(progress: float, decay: float, milestones: Sequence[float]) -> float:
    """Return the share of the largest rate: by equal factors from 1 down to ``decay``."""
    return float(decay**progress)


# One cycle warms up for a third of the steps in Smith (2018); for less here, as a search trains briefly.
SCHEDULES: dict[str, tuple[float, _Shape]] = {
    "constant": (0.0, _constant),
    "cosine": (0.0, _cosine),
    "exponential": (0.0, _exponential),
    "one-cycle": (0.25, _cosine),
    "step": (0.0, _step),
}
"""By name: the warm-up's share of the steps, and a function of the progress through the rest (0 to 1), the
decay and the milestones that returns the share of the largest rate."""


def learning_rate(
    schedule: str,
    warm_up: float | None,
    progress: float,
    decay: float = 0.1,
    milestones: Sequence[float] = (0.5, 0.75),
) -> float:
    """Return the learning rate as a share of the largest rate.

    Args:
        schedule: A key of :data:`SCHEDULES`.
        warm_up: The share of the steps in which the rate rises linearly from a tenth; ``None`` for
            the schedule's own.
        progress: The share of the steps done so far, from 0 to below 1.
        decay: The factor of ``"step"`` at each milestone, and of ``"exponential"`` over all steps after the
            warm-up.
        milestones: Shares of the steps after the warm-up, for ``"step"``.
    """
    usual, after = SCHEDULES[schedule]
    warm_up = usual if warm_up is None else warm_up
    if progress < warm_up:
        return _START + (1 - _START) * progress / warm_up
    return after((progress - warm_up) / (1 - warm_up), decay, milestones)
