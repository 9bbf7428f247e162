"""Candidates as points: what makes two of them alike, in numbers that a model can learn from."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution

from optnas.samplers.domain import Domain

__all__ = ["Encoding"]

# From so many parameters with the same options on, how often each option was chosen is a feature.
_FAMILY = 3


class Encoding:
    """Encodes the candidates of a domain, each parameter on a scale where 1 is as far as can be.

    - An unordered choice has a column for each option: two that differ are at distance 1 (Hamming).
    - A number, or a choice among numbers, is its place between lowest and highest, on its own scale; a
      choice among numbers by the order of its options.
    - A parameter that a candidate does not have is a value of its own, at distance 1 from all others.
    - Of parameters with the same options, as the operations of layers are, how often each option was
      chosen and the mean of what is a number: architectures with the same parts at other places are alike.

    Attributes:
        groups: For each column, which group it is of; the columns of one group share a length scale.
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
        """Return the columns of some parameters."""
        widths = [_width(d) for d in self._distributions.values()]
        chosen = np.repeat([name in names for name in self._distributions], widths)
        return np.flatnonzero(chosen)

    def __call__(self, candidates: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Return the points of ``candidates``, shape (candidates, columns)."""
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
    """Return whether values of ``distribution`` have an order: numbers, or a choice among three or more."""
    if isinstance(distribution, CategoricalDistribution):
        numbers = all(type(c) in (int, float) for c in distribution.choices)
        return numbers and len(distribution.choices) > 2
    return True


def _width(distribution: BaseDistribution) -> int:
    return 2 if numeric(distribution) else len(distribution.choices) + 1  # type: ignore[attr-defined]


def _place(distribution: BaseDistribution, value: Any) -> float:
    """Return where a number lies between 0 and 1, or which option was chosen."""
    if isinstance(distribution, CategoricalDistribution):
        if not numeric(distribution):
            return distribution.to_internal_repr(value)
        return sorted(distribution.choices).index(value) / (len(distribution.choices) - 1)  # type: ignore[type-var]
    low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
    if distribution.log:  # type: ignore[attr-defined]
        low, high, value = math.log(low), math.log(high), math.log(value)
    return float((value - low) / (high - low))


def _families(distributions: Mapping[str, BaseDistribution]) -> list[tuple[BaseDistribution, list[str]]]:
    """Return the parameters that have the same distribution, where there are some."""
    alike: dict[str, tuple[BaseDistribution, list[str]]] = {}
    for name, distribution in distributions.items():
        alike.setdefault(repr(distribution), (distribution, []))[1].append(name)
    return [family for family in alike.values() if len(family[1]) >= _FAMILY]
