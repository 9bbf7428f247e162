"""Parameters of trials as factors of an analysis of variance, conditional ones included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial

from optnas.samplers.encoding import numeric
from optnas.samplers.positions import position

__all__ = ["Factor", "Factors", "curves"]

Array = NDArray[np.float64]
Levels = NDArray[np.intp]

# A number with more values than this is a curve through as many points.
_POINTS = 12
# A curve's parts that explain so much of its prior variance; the rest is too rough to be seen in few trials.
_SMOOTH, _MOST_PARTS = 0.97, 5
# Random candidates of the space, over which shares of variance are taken.
_DRAWS = 2000


@dataclass(frozen=True)
class Factor:
    """A parameter with the values that trials had.

    Attributes:
        name: The parameter's name.
        values: Its values: options, numbers in ascending order, or points spread over a number's range.
        basis: Orthogonal contrasts between the values, each of mean 0, shape (values, rank): a contrast for
            each option but one, or the smoothest curves.
        levels: The index of each trial's value, of the nearest point; -1 where the parameter was inactive.
        rows: Each trial's contrasts, 0 where it was inactive, shape (trials, rank).
        discrete: Whether the values are all that trials had, not points of a curve.
        ordered: Whether the values are numbers in order.
    """

    name: str
    values: tuple[Any, ...]
    basis: Array
    levels: Levels
    rows: Array
    discrete: bool
    ordered: bool

    @property
    def active(self) -> NDArray[np.bool_]:
        return self.levels >= 0

    @classmethod
    def of(cls, name: str, distribution: BaseDistribution, trials: Sequence[FrozenTrial]) -> Factor | None:
        """Return the factor of a parameter; ``None`` if all trials that had it had the same value."""
        found = [trial.params.get(name) for trial in trials]
        has = np.array([name in trial.params for trial in trials])
        seen = list({repr(value): value for value, there in zip(found, has, strict=True) if there}.values())
        if len(seen) < 2:
            return None
        if not numeric(distribution) or not all(type(value) in (int, float) for value in seen):
            names = [repr(value) for value in seen]
            levels = np.array([names.index(repr(v)) if h else -1 for v, h in zip(found, has, strict=True)])
            basis = _contrasts(np.eye(len(seen)))
            return cls(name, tuple(seen), basis, levels, _rows(basis, levels), True, False)
        seen.sort()
        if len(seen) <= _POINTS:
            order = isinstance(distribution, CategoricalDistribution)
            places = np.linspace(0, 1, len(seen)) if order else _places(distribution, seen)
            levels = np.array([seen.index(v) if h else -1 for v, h in zip(found, has, strict=True)])
            basis = _contrasts(_spline(places))
            return cls(name, tuple(seen), basis, levels, _rows(basis, levels), True, True)
        return cls._curve(name, distribution, found, has)

    @classmethod
    def _curve(
        cls, name: str, distribution: BaseDistribution, found: list[Any], has: NDArray[np.bool_]
    ) -> Factor:
        """Return the factor of a number of many values: a piecewise linear curve."""
        there = np.array([value for value, active in zip(found, has, strict=True) if active], dtype=float)
        places = np.full(len(found), np.nan)
        places[has] = _places(distribution, there)
        points, basis = _curve_basis()
        rows = np.zeros((len(found), basis.shape[1]))
        rows[has] = curves(places[has])
        levels = np.where(has, np.clip(np.nan_to_num(places) * _POINTS, 0, _POINTS - 1), -1).astype(np.intp)
        order = np.argsort(there)
        values = np.interp(points, places[has][order], there[order])
        return cls(name, tuple(map(float, values)), basis, levels, rows, False, True)


class Factors:
    """All parameters of a study's trials that varied, and when each is active.

    A parameter that only some trials had is active or not by the values of others, its conditions; they are
    found from the trials. So what the absence of a parameter does is an effect of those others.

    Attributes:
        factors: The factors, in the order in which trials first had them.
        trials: Number of trials.
    """

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        distributions: dict[str, BaseDistribution] = {}
        for trial in trials:
            distributions |= trial.distributions
        found = (Factor.of(name, distribution, trials) for name, distribution in distributions.items())
        self.factors = [factor for factor in found if factor is not None]
        self.trials = len(trials)

    @cached_property
    def conditions(self) -> list[dict[int, frozenset[int]]]:
        """For each factor, the levels of others with which it is inactive; -1 is their own inactivity.

        As few others as explain all trials in which it was inactive, each active whenever it is.
        """
        return [self._conditions(factor) for factor in self.factors]

    def _conditions(self, factor: Factor) -> dict[int, frozenset[int]]:
        off = ~factor.active
        left, found = off.copy(), {}
        above = [
            i
            for i, other in enumerate(self.factors)
            if other.discrete and other.active[~off].all() and other.active.sum() > factor.active.sum()
        ]
        # One that is active in the fewest trials is the nearest.
        above.sort(key=lambda i: self.factors[i].active.sum())
        while left.any() and above:
            never = {i: self._never(i, off) for i in above}
            covers = {i: left & np.isin(self.factors[i].levels, list(never[i])) for i in above}
            best = max(above, key=lambda i: covers[i].sum())
            if not covers[best].any():
                break
            found[best] = never[best]
            left &= ~covers[best]
        return found

    def _never(self, i: int, off: NDArray[np.bool_]) -> frozenset[int]:
        levels = self.factors[i].levels
        return frozenset(levels[off].tolist()) - frozenset(levels[~off].tolist())

    @cached_property
    def drawn(self) -> list[Levels]:
        """The levels of random candidates, by factor: every value of an active parameter equally likely."""
        rng = np.random.default_rng(0)
        drawn: dict[int, Levels] = {}
        for i in sorted(range(len(self.factors)), key=lambda i: -self.factors[i].active.sum()):
            factor, off = self.factors[i], np.zeros(_DRAWS, dtype=bool)
            explained = np.zeros(self.trials, dtype=bool)
            for other, levels in self.conditions[i].items():
                off |= np.isin(drawn[other], list(levels))
                explained |= np.isin(self.factors[other].levels, list(levels))
            # What no other parameter explains happens as often as in the trials.
            share = factor.active.sum() / (~explained).sum()
            off |= rng.random(_DRAWS) >= share
            drawn[i] = np.where(off, -1, rng.integers(len(factor.values), size=_DRAWS))
        return [drawn[i] for i in range(len(self.factors))]

    def active(self, parts: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return the trials in which all of the factors are active."""
        return np.asarray(np.all([self.factors[i].active for i in parts], axis=0))

    def columns(self, parts: tuple[int, ...]) -> Array:
        """Return the contrasts of one factor or a pair of them in the trials, shape (trials, rank)."""
        return _product([self.factors[i].rows for i in parts])

    def drawn_columns(self, parts: tuple[int, ...]) -> Array:
        """Return the same in random candidates."""
        return _product([_rows(self.factors[i].basis, self.drawn[i]) for i in parts])


def curves(places: Array) -> Array:
    """Return the smoothest curves over [0, 1] at ``places``, shape (places, curves)."""
    points, basis = _curve_basis()
    return np.stack([np.interp(places, points, column) for column in basis.T], axis=1)


def _curve_basis() -> tuple[Array, Array]:
    points = (np.arange(_POINTS) + 0.5) / _POINTS
    return points, _contrasts(_spline(points))


def _product(rows: list[Array]) -> Array:
    first, *more = rows
    for other in more:
        first = (first[:, :, None] * other[:, None, :]).reshape(len(first), -1)
    return first


def _rows(basis: Array, levels: Levels) -> Array:
    return np.where(levels[:, None] >= 0, basis[levels], 0.0)


def _places(distribution: Any, values: Any) -> Array:
    """Return numbers as positions in [0, 1]; those beyond the range, of an earlier one, are at its end."""
    low, high = distribution.low, distribution.high
    return np.array([position(distribution, min(max(float(value), low), high)) for value in values])


def _spline(places: Array) -> Array:
    """Return the kernel of piecewise linear functions on [0, 1] (Gu 2013, "Smoothing Spline ANOVA")."""
    line = places - 0.5
    apart = np.abs(places[:, None] - places) - 0.5
    return np.asarray(np.outer(line, line) + (apart**2 - 1 / 12) / 2)


def _contrasts(kernel: Array) -> Array:
    """Return the kernel's principal functions that have mean 0 over the values, of unit variance in all."""
    kernel = kernel - kernel.mean(axis=0) - kernel.mean(axis=1)[:, None] + kernel.mean()
    sizes, functions = np.linalg.eigh(kernel)
    sizes, functions = np.maximum(sizes[::-1], 0), functions[:, ::-1]
    equal = sizes[0] < 1.5 * sizes[len(sizes) - 2]
    most = len(sizes) - 1 if equal else min(len(sizes) - 1, _MOST_PARTS)
    explained = np.cumsum(sizes) / sizes.sum()
    rank = min(most, int(np.searchsorted(explained, 1 - 1e-9 if equal else _SMOOTH)) + 1)
    basis = functions[:, :rank] * np.sqrt(sizes[:rank])
    return np.asarray(basis / np.sqrt(np.square(basis).sum() / len(basis)))
