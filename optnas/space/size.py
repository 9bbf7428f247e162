"""Size of a search space: the number of combinations of its parameters."""

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

__all__ = ["combinations", "size"]

# An active parameter: (name, hole, place).
_Decision = tuple[str, Hole, Place]

# In place of a parameter's value: only combinations in which it is not active are counted.
_NEVER = object()


def size(space: Node) -> float:
    if any(map(_is_continuous, holes(space).values())):
        return math.inf  # every hole is active in some combination
    return combinations(space)


def combinations(space: Node) -> float:
    """Return the number of combinations of a space's parameters, each continuous one counted as one value."""
    return _count(_decisions(space, ROOT, {}), {}, holes(space))


def _is_continuous(hole: Hole) -> bool:
    known = hole.distribution
    return isinstance(known, FloatDistribution) and known.step is None and known.low < known.high


def _count(pending: tuple[_Decision, ...], decided: Mapping[str, Any], known: Mapping[str, Hole]) -> float:
    """Return the number of combinations of the pending parameters and their conditional parameters.

    Groups of parameters that lead to no common parameter are independent: their numbers multiply.
    """
    different = {decision[0]: decision for decision in pending}
    if any(decided.get(name) is _NEVER for name in different):
        return 0
    return math.prod(_ways(group, decided, known) for group in _independent(different.values(), decided))


def _ways(group: list[_Decision], decided: Mapping[str, Any], known: Mapping[str, Hole]) -> float:
    """Return the number of combinations of a group of parameters that lead to common parameters.

    The parameter that most of them lead to is decided first (the outermost of several), which makes
    them independent. If it is not always active, the combinations without it are counted once, not
    once per value.
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
        ways = values * given(None)  # it has no conditional parameters
    return ways - (values - 1) * given(_NEVER)


def _independent(pending: Iterable[_Decision], decided: Mapping[str, Any]) -> list[list[_Decision]]:
    """Group parameters that can lead to the same undecided parameter."""
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
    """Return the undecided parameters that ``decision`` can lead to, itself included, outermost first."""
    _, hole, place = decision
    return [name for name in _names(hole, place) if name not in decided]


@lru_cache(maxsize=4096)
def _names(hole: Hole, place: Place) -> tuple[str, ...]:
    """Return the names of all parameters within ``hole``, each once, its own first."""
    return tuple(dict.fromkeys(each.parameter(at.name(each)) for each, at in visit(hole, place)))


def _decisions(value: Any, place: Place, decided: Mapping[str, Any]) -> tuple[_Decision, ...]:
    """Return the active parameters of ``value`` that are undecided, given the values in ``decided``."""
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
    """Return the parameters that the value ``made`` activates; ``decision`` itself for ``_NEVER``."""
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
    """Return the number of values of the hole's parameter, 1 for a continuous one."""
    match hole.distribution:
        case CategoricalDistribution(choices=choices):
            return len(choices)
        case IntDistribution(low=low, high=high, step=step):
            return (high - low) // step + 1
        case FloatDistribution(low=low, high=high, step=step):
            return 1 if step is None else round((high - low) / step) + 1
    raise TypeError(f"not an Optuna distribution: {hole.distribution!r}")
