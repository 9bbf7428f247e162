"""Strategies on shared weights by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from optnas.errors import UserError, nearest
from optnas.one_shot.darts import DARTS, BetaDARTS
from optnas.one_shot.gdas import GDAS
from optnas.one_shot.problem import Problem
from optnas.one_shot.single_path import SinglePath
from optnas.one_shot.strategy import Strategy

__all__ = ["STRATEGIES", "check_name", "make_strategy"]

STRATEGIES: dict[str, Callable[..., Strategy]] = {
    "beta-darts": BetaDARTS,
    "darts": DARTS,
    "darts-second-order": partial(DARTS, order=2),
    "gdas": GDAS,
    "single-path": SinglePath,
}


def make_strategy(name: str, problem: Problem, *, epochs: int, seed: int = 0, **settings: Any) -> Strategy:
    """Return the strategy called ``name``.

    Args:
        name: A key of :data:`STRATEGIES`.
        problem: What is searched for.
        epochs: Passes over the training part.
        seed: Seed of everything random.
        settings: Further arguments of the strategy.

    Raises:
        UserError: If no strategy has that name.
    """
    check_name(name)
    return STRATEGIES[name](problem, epochs, seed, **settings)


def check_name(name: str) -> None:
    """Raise ``UserError`` if no strategy is called ``name``."""
    if name not in STRATEGIES:
        raise UserError(f"no one-shot strategy is called {name!r}: {nearest(name, STRATEGIES)}")
