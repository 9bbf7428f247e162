"""Encoding of candidates as numeric vectors for models, in which similar candidates are close."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution

from optnas.samplers.domain import Domain
from optnas.samplers.positions import position

__all__ = ["Encoding"]

# If at least so many parameters have the same options, the count of each option is a feature.
_FAMILY = 3


class Encoding:
    """Encoding of candidates as vectors, in which two values of a parameter are at most about 1 apart.

    - An unordered categorical parameter has a column for each option: two different options are at
      distance 1 (Hamming).
    - A number, or a choice among numbers, is its position between lowest and highest, on its own scale; a
      choice among numbers goes by the order of its options.
    - An inactive parameter has a value of its own, at a distance of about 1 from all others.
    - For parameters with the same options, such as the operations of layers, the count of each option or
      the mean of the numbers is added: architectures with the same parts at other places are similar.

    Attributes:
        groups: The group of each column; the columns of one group share a length scale.
    """

    def __init__(self, domain: Domain) -> None:
        self._distributions = {n: d for n, d in domain.distributions.items() if not d.single()}
        self._families = _families(self._distributions)
        self._kept: dict[Hashable, NDArray[np.float64]] = {}
        sizes = [_width(d) for d in self._distributions.values()]
        for first, _ in self._families:
            sizes += [1] * (1 if numeric(first) else len(first.choices))  # type: ignore[attr-defined]
        self.groups = np.repeat(np.arange(len(sizes)), sizes)

    def columns(self, names: Collection[str]) -> NDArray[np.intp]:
        """Return the indices of the columns of the parameters in ``names``."""
        widths = [_width(d) for d in self._distributions.values()]
        chosen = np.repeat([name in names for name in self._distributions], widths)
        return np.flatnonzero(chosen)

    def __call__(self, candidates: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Return the vectors of ``candidates``, shape (candidates, columns)."""
        return np.array([self._point(c) for c in candidates]).reshape(len(candidates), len(self.groups))

    def _point(self, params: Mapping[str, Any]) -> NDArray[np.float64]:
        key = tuple(params.items())
        point = self._kept.get(key)
        if point is None:
            point = self._kept[key] = self._encoded(params)
        return point

    def _encoded(self, params: Mapping[str, Any]) -> NDArray[np.float64]:
        columns: list[float] = []
        for name, distribution in self._distributions.items():
            place = _place(distribution, params[name]) if name in params else None
            if numeric(distribution):
                columns += [0.5, 1.0] if place is None else [place, 0.0]
            else:
                options = [0.0] * _width(distribution)
                options[-1 if place is None else int(place)] = math.sqrt(0.5)
                columns += options
        for distribution, names in self._families:
            places = [_place(distribution, params[name]) for name in names if name in params]
            if numeric(distribution):
                columns.append(sum(places) / math.sqrt(len(names)))
            else:
                choices = range(len(distribution.choices))  # type: ignore[attr-defined]
                columns += [places.count(choice) / math.sqrt(len(names)) for choice in choices]
        return np.array(columns)


def numeric(distribution: BaseDistribution) -> bool:
    """Return whether ``distribution`` has ordered values: numbers, or a choice of three numbers or more."""
    if isinstance(distribution, CategoricalDistribution):
        numbers = all(type(c) in (int, float) for c in distribution.choices)
        return numbers and len(distribution.choices) > 2
    return True


def _width(distribution: BaseDistribution) -> int:
    return 2 if numeric(distribution) else len(distribution.choices) + 1  # type: ignore[attr-defined]


def _place(distribution: BaseDistribution, value: Any) -> float:
    """Return a number's position between 0 and 1, or the index of the chosen option."""
    if isinstance(distribution, CategoricalDistribution):
        if not numeric(distribution):
            return distribution.to_internal_repr(value)
        return sorted(distribution.choices).index(value) / (len(distribution.choices) - 1)  # type: ignore[type-var]
    return position(distribution, value)


def _families(distributions: Mapping[str, BaseDistribution]) -> list[tuple[BaseDistribution, list[str]]]:
    """Return the parameters that have the same distribution, if there are at least ``_FAMILY`` of them."""
    alike: dict[str, tuple[BaseDistribution, list[str]]] = {}
    for name, distribution in distributions.items():
        alike.setdefault(repr(distribution), (distribution, []))[1].append(name)
    return [family for family in alike.values() if len(family[1]) >= _FAMILY]
