"""Candidates as vectors of a fixed shape, in which inactive parameters have a place too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optnas.samplers.domain import Domain, fits
from optnas.samplers.positions import position, value_at

__all__ = ["VectorSpace"]

# A number with more steps counts as continuous.
_MOST_STEPS = 500


class VectorSpace:
    """Mapping between candidates and vectors of all continuous, stepped and categorical parameters.

    Numbers lie in [0, 1], on a logarithmic scale if their distribution has one. A number with two values is
    categorical. A vector has an entry for inactive parameters as well, which decoding leaves out.

    Attributes:
        continuous: The bounds of each continuous parameter, [0, 1].
        stepped: The positions in [0, 1] of each stepped parameter's values, ascending.
        categories: The number of values of each categorical parameter.
    """

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._continuous: dict[str, BaseDistribution] = {}
        self._stepped: dict[str, tuple[list[Any], NDArray[np.float64]]] = {}
        self._categorical: dict[str, list[Any]] = {}
        for name, distribution in domain.distributions.items():
            values = _values(distribution)
            if values is None:
                self._continuous[name] = distribution
            elif isinstance(distribution, CategoricalDistribution) or len(values) == 2:
                if len(values) > 1:
                    self._categorical[name] = values
            elif len(values) > 2:
                places = np.array([position(distribution, value) for value in values])
                self._stepped[name] = values, places
        self.continuous = [[0.0, 1.0] for _ in self._continuous]
        self.stepped = [places.tolist() for _, places in self._stepped.values()]
        self.categories = [len(values) for values in self._categorical.values()]

    @property
    def size(self) -> int:
        """The number of parameters that have more than one value."""
        return len(self._continuous) + len(self._stepped) + len(self._categorical)

    def decoded(self, x: Any, z: Any, c: Any) -> dict[str, Any]:
        """Return the candidate that three vectors encode.

        Args:
            x: Positions of the continuous parameters, shape (continuous,); ``None`` if there are none.
            z: Positions of the stepped ones, shape (stepped,).
            c: The categorical ones' values, one-hot, shape (categorical, at least the most categories).
        """
        values: dict[str, Any] = {}
        for i, (name, distribution) in enumerate(self._continuous.items()):
            values[name] = value_at(distribution, float(x[i]))
        for i, (name, (steps, places)) in enumerate(self._stepped.items()):
            values[name] = steps[int(np.argmin(np.abs(places - z[i])))]
        for i, (name, choices) in enumerate(self._categorical.items()):
            values[name] = choices[int(np.argmax(c[i]))]
        return self._domain.decided(
            lambda name, distribution: values[name] if name in values else _only(distribution)
        )

    def places(self, params: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return the positions of a candidate's numbers, shape (continuous + stepped,); NaN if inactive."""
        continuous = [
            position(distribution, params[name]) if fits(distribution, params.get(name)) else math.nan
            for name, distribution in self._continuous.items()
        ]
        stepped = [
            places[steps.index(params[name])] if params.get(name) in steps else math.nan
            for name, (steps, places) in self._stepped.items()
        ]
        return np.array([*continuous, *stepped])

    def shares(self, params: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return a candidate's categorical values, one-hot, shape (categorical, most categories).

        An inactive parameter has equal shares of all its categories.
        """
        result = np.zeros((len(self.categories), max(self.categories, default=0)))
        for row, (name, choices) in zip(result, self._categorical.items(), strict=True):
            if name in params and params[name] in choices:
                row[choices.index(params[name])] = 1.0
            else:
                row[: len(choices)] = 1 / len(choices)
        return result


def _values(distribution: BaseDistribution) -> list[Any] | None:
    """Return all values of a distribution; ``None`` if it counts as continuous."""
    match distribution:
        case CategoricalDistribution(choices=choices):
            return list(choices)
        case IntDistribution(low=low, high=high, step=step):
            values = range(low, high + 1, step)
            return list(values) if len(values) <= _MOST_STEPS else None
        case FloatDistribution(low=low, high=high, step=float(step)):
            count = round((high - low) / step) + 1
            return [min(low + i * step, high) for i in range(count)] if count <= _MOST_STEPS else None
    return [distribution.low] if distribution.single() else None  # type: ignore[attr-defined]


def _only(distribution: BaseDistribution) -> Any:
    values = _values(distribution)
    assert values is not None
    return values[0]
