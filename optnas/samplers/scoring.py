"""The scoring of candidates before a trial."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

__all__ = ["Scores", "Screening", "plain"]

Scores = tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Screening:
    """The scoring of a domain's candidates before a trial.

    Attributes:
        names: The names of the scores.
        scores_of: Returns a candidate's scores, of which higher are better; ``None`` if it cannot be scored.
        same: Returns a key that is equal for candidates of equal scores, such as one architecture trained in
            two ways.
        keeps: Returns whether a candidate keeps the constraints that are unknown to the domain's ``known``.
        candidates: The most candidates that are scored.
        seconds: Time after which no further candidate is scored.
        proposals: The most candidates that a warm start proposes.
        computed: Whether a network is built for the scores, which takes time; else they are looked up.
        features: Whether a model of objectives has the scores as inputs.
        seed: Seed of the random candidates.
    """

    names: tuple[str, ...]
    scores_of: Callable[[Mapping[str, Any]], Scores | None]
    same: Callable[[Mapping[str, Any]], Hashable]
    keeps: Callable[[Mapping[str, Any]], bool]
    candidates: int = 100
    seconds: float = 120.0
    proposals: int = 10
    computed: bool = True
    features: bool = False
    seed: int = 0


def plain(values: Sequence[float]) -> Scores:
    """Return scores as numbers that every storage takes and every worker reads alike."""
    return tuple(_plain(value) for value in values)


def _plain(value: float) -> float:
    if math.isnan(value):
        return -1e30  # what has no score is bad
    return float(f"{min(max(value, -1e30), 1e30):.6g}")
