"""Counting a space: in how many ways its holes can be closed."""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from typing import Any

from optuna.distributions import FloatDistribution, IntDistribution

from optnas.space.closing import distributions, visit
from optnas.space.holes import Choose, Hole, Repeat
from optnas.space.names import ROOT, Place, parts
from optnas.space.node import Node

__all__ = ["size"]

# A decision that will certainly be made, and where: (parameter, hole, place).
_Decision = tuple[str, Hole, Place]


def size(space: Node) -> float:
    distributions(space)  # raises where a name is ambiguous
    return _count(_decisions(space, ROOT, {}), {})


def _count(pending: tuple[_Decision, ...], decided: dict[str, Any]) -> float:
    """Return the number of ways to make the pending decisions and those that follow from them.

    Decisions whose futures have no name in common are independent: their numbers multiply. Only
    where futures are entangled does one of the decisions have to be tried value by value.
    """
    total: float = 1
    for group in _independent(pending):
        names = Counter(name for name, _, _ in group)
        # The most entangled first: deciding it is what takes the others apart.
        name, hole, _ = max(group, key=lambda decision: names[decision[0]])
        if not isinstance(hole, Choose | Repeat):
            total *= _values(hole)
            continue
        values = hole.labels if isinstance(hole, Choose) else range(hole.low, hole.high + 1)
        ways: float = 0
        for value in values:
            now = {**decided, name: value}
            following: list[_Decision] = []
            for other in group:
                following += _after(other, value, now) if other[0] == name else [other]
            ways += _count(tuple(following), now)
        total *= ways
    return total


def _independent(pending: tuple[_Decision, ...]) -> list[list[_Decision]]:
    """Group decisions by whether their futures share a name."""
    groups: list[tuple[set[str], list[_Decision]]] = []
    for decision in pending:
        future = set(_future(decision[1], decision[2])) | {decision[0]}
        together = [decision]
        apart = []
        for names, group in groups:
            if names & future:
                future |= names
                together = group + together
            else:
                apart.append((names, group))
        groups = [*apart, (future, together)]
    return [group for _, group in groups]


@lru_cache(maxsize=4096)
def _future(value: Any, place: Place) -> frozenset[str]:
    """Return every parameter that may have to be decided within ``value``."""
    return frozenset(hole.parameter(at.name(hole)) for hole, at in visit(value, place))


def _decisions(value: Any, place: Place, decided: dict[str, Any]) -> tuple[_Decision, ...]:
    """Return the decisions that ``value`` asks for at once, seeing through those already made."""
    if isinstance(value, Node):
        inside = parts(value, place) if value.open else ()
        return tuple(d for part, at in inside for d in _decisions(part, at, decided))
    if isinstance(value, tuple):
        return tuple(
            d for i, item in enumerate(value) for d in _decisions(item, place.below(str(i)), decided)
        )
    if not isinstance(value, Hole):
        return ()
    name = value.parameter(place.name(value))
    decision = (name, value, place)
    if isinstance(value, Repeat) and value.low == value.high:
        return _after(decision, value.low, decided)
    return _after(decision, decided[name], decided) if name in decided else (decision,)


def _after(decision: _Decision, made: Any, decided: dict[str, Any]) -> tuple[_Decision, ...]:
    """Return the decisions that follow once ``decision`` is made."""
    _, hole, place = decision
    if isinstance(hole, Choose):
        return _decisions(hole.by_label[made], place.option(hole, made), decided)
    if isinstance(hole, Repeat):
        copies = (_decisions(hole.copy(i), place.copy(hole, i), decided) for i in range(made))
        return tuple(d for copy in copies for d in copy)
    return ()


def _values(hole: Hole) -> float:
    match hole.distribution:
        case IntDistribution(low=low, high=high, step=step):
            return (high - low) // step + 1
        case FloatDistribution(low=low, high=high, step=step):
            if low == high:
                return 1
            return math.inf if step is None else round((high - low) / step) + 1
    raise TypeError(f"not a numeric hole: {hole!r}")
