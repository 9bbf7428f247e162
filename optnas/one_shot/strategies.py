"""Strategies on shared weights by name."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from optnas.errors import UserError, nearest
from optnas.one_shot.darts import DARTS, BetaDARTS
from optnas.one_shot.gdas import GDAS
from optnas.one_shot.problem import Problem
from optnas.one_shot.single_path import SinglePath
from optnas.one_shot.strategy import Strategy

__all__ = ["STRATEGIES", "check_settings", "make_strategy"]

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
        UserError: If no strategy has that name, or it has no such setting.
    """
    check_settings(name, settings)
    return STRATEGIES[name](problem, epochs, seed, **settings)


def check_settings(name: str, settings: Mapping[str, Any]) -> None:
    """Raise ``UserError`` if no strategy is called ``name``, or a setting is none of it or of no use."""
    if name not in STRATEGIES:
        raise UserError(f"no one-shot strategy is called {name!r}: {nearest(str(name), STRATEGIES)}")
    for setting, value in settings.items():
        if setting not in _settings_of(name):
            known = nearest(setting, _settings_of(name))
            raise UserError(f"the one-shot strategy {name!r} has no setting {setting!r}: {known}")
        fits, what = _ALLOWED[setting]
        if not fits(value):
            raise UserError(f"one-shot strategy {name!r}: {setting}={value!r:.60}: give {what}")


def _settings_of(name: str) -> list[str]:
    parameters = inspect.signature(STRATEGIES[name]).parameters.values()
    return [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _are_weightings(value: Any) -> bool:
    several = isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0
    return value is None or (several and all(_is_size(each) and each <= _MOST_WEIGHT for each in value))


# Beside which the loss is lost in rounding.
_MOST_WEIGHT = 1e6

_ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "weightings": (
        _are_weightings,
        f"weights of the cost from 0 to {_MOST_WEIGHT:g}, such as (0, 0.1), or None",
    ),
    "guarded": (lambda value: isinstance(value, bool), "True or False"),
    "order": (lambda value: _is_count(value) and value <= 2, "1 or 2"),
    "decay": (_is_size, "a number of at least 0"),
    "evaluations": (_is_count, "a whole number of at least 1"),
    "population": (_is_count, "a whole number of at least 1"),
}
"""For each setting whether a value is one that it may have, and in words which these are."""
