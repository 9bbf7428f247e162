"""Counting a space: in how many ways its holes can be closed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from optnas.space.closing import holes, visit
from optnas.space.holes import Choose, Hole, Repeat, is_open
from optnas.space.names import ROOT, Place, parts
from optnas.space.node import Node

__all__ = ["size"]

# A decision that will certainly be made, and where: (parameter, hole, place).
_Decision = tuple[str, Hole, Place]

# Decided of a parameter: that it shall not be needed.
_NEVER = object()


def size(space: Node) -> float:
    known = holes(space)
    if math.inf in map(_values, known.values()):
        return math.inf  # any hole can be reached
    return _count(_decisions(space, ROOT, {}), {}, known)


def _count(pending: tuple[_Decision, ...], decided: Mapping[str, Any], known: Mapping[str, Hole]) -> float:
    """Return the number of ways to make the pending decisions and those that follow from them.

    Decisions whose futures have no name in common are independent: their numbers multiply.
    """
    different = {decision[0]: decision for decision in pending}
    if any(decided.get(name) is _NEVER for name in different):
        return 0
    return math.prod(_ways(group, decided, known) for group in _independent(different.values(), decided))


def _ways(group: list[_Decision], decided: Mapping[str, Any], known: Mapping[str, Hole]) -> float:
    """Return the number of ways to make decisions that are entangled.

    The name that most of their futures have in common is decided first, the outermost of several: that
    takes them apart. Where it may turn out not to be needed, the ways that do without it are counted
    once, not once a value.
    """
    futures = Counter(name for decision in group for name in _future(decision, decided))
    name = max(futures, key=lambda name: futures[name]) if len(group) > 1 else group[0][0]
    hole = known[name]

    def given(value: Any) -> float:
        now = {**decided, name: value}
        following = (_after(each, value, now) if each[0] == name else (each,) for each in group)
        return _count(tuple(decision for after in following for decision in after), now, known)

    values = _values(hole)
    if isinstance(hole, Choose) and is_open(hole.options):
        ways = sum(map(given, hole.labels))
    elif isinstance(hole, Repeat) and is_open(hole.body):
        ways = sum(map(given, range(hole.low, hole.high + 1)))
    else:
        ways = values * given(None)  # nothing follows from it, whatever it is
    return ways - (values - 1) * given(_NEVER)


def _independent(pending: Iterable[_Decision], decided: Mapping[str, Any]) -> list[list[_Decision]]:
    """Group decisions by whether their futures share a name that is not decided."""
    groups: list[tuple[set[str], list[_Decision]]] = []
    for decision in pending:
        future = set(_future(decision, decided))
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


def _future(decision: _Decision, decided: Mapping[str, Any]) -> list[str]:
    """Return the parameters that may still have to be decided from ``decision`` on, outermost first."""
    _, hole, place = decision
    return [name for name in _names(hole, place) if name not in decided]


@lru_cache(maxsize=4096)
def _names(hole: Hole, place: Place) -> tuple[str, ...]:
    """Return every parameter within ``hole``, each once, its own first."""
    return tuple(dict.fromkeys(each.parameter(at.name(each)) for each, at in visit(hole, place)))


def _decisions(value: Any, place: Place, decided: Mapping[str, Any]) -> tuple[_Decision, ...]:
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


def _after(decision: _Decision, made: Any, decided: Mapping[str, Any]) -> tuple[_Decision, ...]:
    """Return the decisions that follow once ``decision`` is made; itself where it shall not be needed."""
    _, hole, place = decision
    if made is _NEVER:
        return (decision,)
    if isinstance(hole, Choose) and is_open(hole.options):
        return _decisions(hole.by_label[made], place.option(hole, made), decided)
    if isinstance(hole, Repeat) and is_open(hole.body):
        copies = (_decisions(hole.copy(i), place.copy(hole, i), decided) for i in range(made))
        return tuple(d for copy in copies for d in copy)
    return ()


def _values(hole: Hole) -> float:
    """Return how many values the hole's parameter takes."""
    match hole.distribution:
        case CategoricalDistribution(choices=choices):
            return len(choices)
        case IntDistribution(low=low, high=high, step=step):
            return (high - low) // step + 1
        case FloatDistribution(low=low, high=high, step=step):
            if low == high:
                return 1
            return math.inf if step is None else round((high - low) / step) + 1
    raise TypeError(f"not an Optuna distribution: {hole.distribution!r}")
