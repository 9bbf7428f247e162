"""The parameters of a search space and their conditions, found without building an architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution

from optnas.space.holes import Choose, Hole, Repeat
from optnas.space.names import ROOT, Names, Place, parts
from optnas.space.node import Node

__all__ = ["Decision", "decided", "decisions"]


@dataclass(frozen=True)
class Decision:
    """A parameter, with the conditional parameters that depend on its value.

    Attributes:
        name: Name of the Optuna parameter.
        distribution: Its distribution.
        then: Function that returns the conditional parameters of a given value.
    """

    name: str
    distribution: BaseDistribution
    then: Callable[[Any], Iterable[Decision]]


def decisions(*spaces: Node) -> list[Decision]:
    """Return the unconditional parameters of the spaces, in the order in which a trial suggests them."""
    names = Names()
    return [decision for space in spaces for decision in _below(space, ROOT, names)]


def decided(asked: Iterable[Decision], decide: Callable[[str, BaseDistribution], Any]) -> dict[str, Any]:
    """Return the active parameters with their values, if ``decide`` chooses each value."""
    found: dict[str, Any] = {}
    _decide(asked, decide, found)
    return found


def _decide(
    asked: Iterable[Decision], decide: Callable[[str, BaseDistribution], Any], found: dict[str, Any]
) -> None:
    for decision in asked:
        if decision.name not in found:
            found[decision.name] = decide(decision.name, decision.distribution)
        _decide(decision.then(found[decision.name]), decide, found)


def _below(value: Any, place: Place, names: Names) -> Iterator[Decision]:
    if isinstance(value, Node):
        if value.open:
            for part, at in parts(value, place):
                yield from _below(part, at, names)
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from _below(item, place.below(str(i)), names)
    elif isinstance(value, Repeat):
        copies = [list(_below(value.copy(i), place.copy(value, i), names)) for i in range(value.high)]
        if value.low == value.high:
            for copy in copies:
                yield from copy
        else:
            yield Decision(names.add(value, place), value.distribution, _first(copies))
    elif isinstance(value, Hole):
        options: dict[Any, list[Decision]] = {}
        if isinstance(value, Choose):
            options = {
                label: list(_below(option, place.option(value, label), names))
                for label, option in value.by_label.items()
            }
        name = names.add(value, place)
        yield Decision(name, value.distribution, lambda chosen: options.get(chosen, ()))


def _first(copies: Sequence[list[Decision]]) -> Callable[[Any], list[Decision]]:
    """Return a function that maps a number of copies to the parameters in these copies."""
    upto = [[decision for copy in copies[:count] for decision in copy] for count in range(len(copies) + 1)]
    return lambda count: upto[count]
