"""How unlike all that has been found already an architecture is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution

__all__ = ["diversity"]

Params = Mapping[str, Any]

# The k of novelty search (Lehman & Stanley 2011).
_NEIGHBOURS = 15


def diversity(
    distributions: Mapping[str, BaseDistribution], params: Params, found: Sequence[Params]
) -> float:
    """Return the mean distance of an architecture to the nearest 15 of those found: 0 to 1.

    The distance of two is Gower's (1971): the mean over the parameters that at least one of them has,
    of 1 where only one has it or their choices differ, and for numbers of their distance as a share
    of the range, on a logarithmic scale where the range has one. With nothing found it is 1.

    Args:
        distributions: The space's parameters; others among ``params`` and ``found`` do not count.
        params: Those of the architecture.
        found: Those of each architecture found before it.
    """
    if not found:
        return 1.0
    apart, counted = np.zeros(len(found)), np.zeros(len(found))
    for name, distribution in distributions.items():
        own, others = np.split(_places(distribution, [params, *found], name), [1])
        either = ~(np.isnan(own) & np.isnan(others))
        far = others != own if isinstance(distribution, CategoricalDistribution) else np.abs(others - own)
        apart += np.where(np.isnan(own) | np.isnan(others), either, far)
        counted += either
    distances = apart / np.maximum(counted, 1)
    return float(np.sort(distances)[:_NEIGHBOURS].mean())


def _places(distribution: BaseDistribution, owners: Sequence[Params], name: str) -> NDArray[np.float64]:
    """Return where each owner's parameter stands: a choice's number, or 0 to 1 along the range.

    NaN is for those that have none.
    """
    if isinstance(distribution, CategoricalDistribution):
        numbers: dict[Any, float] = {choice: i for i, choice in enumerate(distribution.choices)}
        return np.array([numbers[owner[name]] if name in owner else math.nan for owner in owners])
    low, high, log = distribution.low, distribution.high, distribution.log  # type: ignore[attr-defined]
    values = np.array([owner.get(name, math.nan) for owner in owners], dtype=np.float64)
    if log:
        low, high, values = math.log(low), math.log(high), np.log(values)
    places: NDArray[np.float64] = (values - low) / ((high - low) or 1.0)
    return places
