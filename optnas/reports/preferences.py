"""Frequency of each choice on the front, against all trials and against chance."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from optnas.trials.progress import front

__all__ = ["Preference", "pooled_name", "preferences"]

# Whole numbers of more values say nothing one by one.
_MOST_VALUES = 8
_NORMAL_95 = 1.96
_COPY = re.compile(r"\d+(?=\.)")


@dataclasses.dataclass(frozen=True)
class Preference:
    """Frequency of one value of a choice on the front, where the choice is open.

    Attributes:
        name: The parameter's name; copies of a repeated part are counted together, as ``layer*.op``.
        value: The value.
        on_front: Its share on the front, 0 to 1.
        low: The lower end of the 95 % interval of that share (Wilson 1927), and
        high: the upper one. Decisions within one trial count as one, as they are not independent.
        in_all: Its share among all trials that were trained or pruned.
        chance: Its share if all values were as likely.
        trials: The number of trials of the front that decide it.
    """

    name: str
    value: Any
    on_front: float
    low: float
    high: float
    in_all: float
    chance: float
    trials: int

    @property
    def surprise(self) -> float:
        """Distance of the share on the front from chance, in standard errors of chance."""
        return abs(self.on_front - self.chance) / math.sqrt(self.chance * (1 - self.chance) / self.trials)


def preferences(study: optuna.Study, trials: Sequence[FrozenTrial]) -> list[Preference]:
    """Return how often each value of each choice is on the front, the most surprising first.

    Parameters of many values, such as learning rates, are left out.
    """
    best = front(study, list(trials))
    every = _shares([trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)])
    found = []
    for name, (counts, deciding, values) in _shares(best).items():
        decided, of_all = sum(counts.values()), every[name][0]
        for value in values:
            share = counts[value] / decided
            low, high = _interval(share, deciding)
            in_all = of_all[value] / max(1, sum(of_all.values()))
            found.append(Preference(name, value, share, low, high, in_all, 1 / len(values), deciding))
    return sorted(found, key=lambda each: each.surprise, reverse=True)


def pooled_name(name: str) -> str:
    """Return a parameter's name, the same for all copies of a repeated part.

    >>> pooled_name("layer3.op")
    'layer*.op'
    """
    return _COPY.sub("*", name)


_Shares = dict[str, tuple[Counter[Any], int, tuple[Any, ...]]]


def _shares(trials: Sequence[FrozenTrial]) -> _Shares:
    """Return by name how often each value was decided, the trials that decide it, and all its values."""
    counts: dict[str, Counter[Any]] = defaultdict(Counter)
    deciding: dict[str, set[int]] = defaultdict(set)
    values: dict[str, tuple[Any, ...]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            pooled = pooled_name(name)
            known = values.get(pooled) or _values(distribution)
            if known is None or trial.params[name] not in known:
                continue
            values[pooled] = known
            counts[pooled][trial.params[name]] += 1
            deciding[pooled].add(trial.number)
    return {name: (counts[name], len(deciding[name]), values[name]) for name in values}


def _values(distribution: BaseDistribution) -> tuple[Any, ...] | None:
    """Return the values of a choice with few of them, and more than one."""
    values: tuple[Any, ...] = ()
    if isinstance(distribution, CategoricalDistribution):
        values = tuple(distribution.choices)
    elif isinstance(distribution, IntDistribution) and not distribution.log:
        values = tuple(range(distribution.low, distribution.high + 1, distribution.step)[: _MOST_VALUES + 1])
    return values if 1 < len(values) <= _MOST_VALUES else None


def _interval(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of ``count`` (Wilson 1927)."""
    square = _NORMAL_95**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = (
        _NORMAL_95 / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    )
    return max(0.0, middle - half), min(1.0, middle + half)
