"""Diversity: the distance of an architecture from those found before."""

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
    """Return the mean distance, 0 to 1, of an architecture to the nearest 15 of those found before.

    The distance of two architectures is Gower's (1971): the mean distance of the parameters that at least
    one of them has. That is 1 if only one has the parameter or their choices differ, and for numbers the
    difference as a share of the range, on a logarithmic scale if the distribution has one. With nothing
    found the result is 1.

    Args:
        distributions: The search space's parameters; others in ``params`` and ``found`` do not count.
        params: The parameters of the architecture.
        found: The parameters of each architecture found before it.
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
    """Return one parameter's value for each architecture: a choice's index, or 0 to 1 along the range.

    NaN is for architectures without the parameter, and for values of another space, which trials that
    were added by hand may have.
    """
    if isinstance(distribution, CategoricalDistribution):
        numbers: dict[Any, float] = {choice: i for i, choice in enumerate(distribution.choices)}
        return np.array(
            [numbers.get(owner[name], math.nan) if name in owner else math.nan for owner in owners]
        )
    low, high, log = distribution.low, distribution.high, distribution.log  # type: ignore[attr-defined]
    values = np.array([_number(owner.get(name)) for owner in owners], dtype=np.float64)
    if log:
        low, high = math.log(low), math.log(high)
        values = np.log(np.where(values > 0, values, math.nan))
    places: NDArray[np.float64] = (values - low) / ((high - low) or 1.0)
    return places


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
