"""Turning a search space into an architecture: by a trial's suggestions, by parameters, or at random."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import BaseTrial

from optnas.space.errors import SpaceError
from optnas.space.holes import Choose, Hole, Repeat
from optnas.space.names import ROOT, Names, Place, parts
from optnas.space.node import Node

__all__ = [
    "Closing",
    "accepted",
    "active",
    "close",
    "decide_by",
    "decide_from",
    "distributions",
    "draw",
    "holes",
    "sample",
    "suggest",
    "visit",
]

Decide = Callable[[str, BaseDistribution], Any]
"""Function that returns the value of a parameter, given its name and distribution."""


class Closing:
    """Builder of architectures from search spaces; calls ``decide`` once for each parameter.

    Spaces closed by one instance share their parameters: equal names get equal values.

    Attributes:
        decided: The values of the parameters needed so far, by name, in the order of first need.
    """

    def __init__(self, decide: Decide) -> None:
        self.decided: dict[str, Any] = {}
        self._decide = decide
        self._names = Names()

    def close(self, tree: Node) -> Node:
        """Return ``tree`` with every hole replaced by a value, and without names of parts."""
        (closed,) = self._close(tree, ROOT)
        return closed  # type: ignore[no-any-return]

    def _close(self, value: Any, place: Place) -> tuple[Any, ...]:
        """Return the values that replace ``value``: one, or any number if it is a repeat."""
        if isinstance(value, Node):
            return (self._close_node(value, place) if value.open or value.named else value,)
        if isinstance(value, tuple):
            closed = (self._close(item, place.below(str(i))) for i, item in enumerate(value))
            return (tuple(item for items in closed for item in items),)
        if not isinstance(value, Hole):
            return (value,)
        decision = self._decision(value, place)
        if isinstance(value, Repeat):
            copies = (self._close(value.copy(i), place.copy(value, i)) for i in range(decision))
            return tuple(item for copy in copies for item in copy)
        if isinstance(value, Choose):
            return self._close(value.by_label[decision], place.option(value, decision))
        return (decision,)

    def _close_node(self, node: Node, place: Place) -> Node:
        closed = [self._close(value, at) for value, at in parts(node, place)]
        values = []
        for (arg, before), content in zip(node.args, closed, strict=False):
            if len(content) != 1:
                raise SpaceError(
                    f"{node.op.name}({arg}=…): repeat stands among an op's children, not in an argument;"
                    " wrap it in seq"
                )
            same = content[0] is before  # unchanged, and checked when the node was made
            values.append((arg, before if same else node.op.argument(arg, content[0])))
        children = tuple(child for content in closed[len(node.args) :] for child in content)
        for child in children:
            if not isinstance(child, Node):
                raise SpaceError(f"{node.op.name}: the child {child!r} is not an op's node")
        return Node(node.op, tuple(values), children)

    def _decision(self, hole: Hole, place: Place) -> Any:
        if isinstance(hole, Repeat) and hole.low == hole.high:
            return hole.low
        name = self._names.add(hole, place)
        if name not in self.decided:
            self.decided[name] = self._decide(name, hole.distribution)
        return self.decided[name]


def suggest(space: Node, trial: BaseTrial) -> Node:
    return Closing(decide_by(trial)).close(space)


def decide_by(trial: BaseTrial) -> Decide:
    """Return a ``decide`` function that takes each value from a suggestion of ``trial``."""

    def decide(name: str, distribution: BaseDistribution) -> Any:
        match distribution:
            case CategoricalDistribution():
                return trial.suggest_categorical(name, distribution.choices)
            case IntDistribution(low=low, high=high, step=step, log=log):
                return trial.suggest_int(name, low, high, step=step, log=log)
            case FloatDistribution(low=low, high=high, step=step, log=log):
                return trial.suggest_float(name, low, high, step=step, log=log)
        raise TypeError(f"not an Optuna distribution: {distribution!r}")

    return decide


def close(space: Node, params: Mapping[str, Any]) -> Node:
    return Closing(decide_from(params)).close(space)


def active(space: Node, params: Mapping[str, Any]) -> dict[str, Any]:
    closing = Closing(decide_from(params))
    closing.close(space)
    return closing.decided


def decide_from(params: Mapping[str, Any]) -> Decide:
    def decide(name: str, distribution: BaseDistribution) -> Any:
        if name not in params:
            raise SpaceError(f"the parameter {name!r} is missing: it takes {_describe(distribution)}")
        return accepted(name, distribution, params[name])

    return decide


def accepted(name: str, distribution: BaseDistribution, value: Any) -> Any:
    """Return ``value`` as the distribution's own: 1 for 1.0 in ``choose(1, 2)``, a number for a NumPy scalar.

    Raises:
        SpaceError: If the distribution has no such value. ``True`` is not 1 here, nor is ``"1"``.
    """
    plain = value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value
    if isinstance(plain, str | bool | int | float | None):
        truth = isinstance(plain, bool)
        if isinstance(distribution, CategoricalDistribution):
            for choice in distribution.choices:
                if choice == plain and isinstance(choice, bool) == truth:
                    return choice
        elif isinstance(plain, int | float) and not truth:
            low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
            if low <= plain <= high and distribution._contains(plain):
                return distribution.to_external_repr(distribution.to_internal_repr(plain))
    raise SpaceError(f"{name} = {value!r:.60} is outside the space: it takes {_describe(distribution)}")


def _describe(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return "one of " + ", ".join(map(repr, distribution.choices))
    low, high, step = distribution.low, distribution.high, distribution.step  # type: ignore[attr-defined]
    return f"{low} to {high}" + (f" in steps of {step}" if step not in (None, 1) else "")


def sample(space: Node, rng: random.Random | int | None = None) -> Node:
    rng = rng if isinstance(rng, random.Random) else random.Random(rng)
    return Closing(lambda _, distribution: draw(distribution, rng)).close(space)


def draw(distribution: BaseDistribution, rng: random.Random) -> Any:
    """Draw a random value from ``distribution``, uniformly on its linear or logarithmic scale."""
    match distribution:
        case CategoricalDistribution():
            return rng.choice(distribution.choices)
        case IntDistribution(low=low, high=high, log=True):
            # The range is extended by 0.5 at both ends, so that rounding gives the ends their full share.
            drawn = round(math.exp(rng.uniform(math.log(low - 0.5), math.log(high + 0.5))))
            return min(max(drawn, low), high)
        case IntDistribution(low=low, high=high, step=step):
            return rng.randrange(low, high + 1, step)
        case FloatDistribution(low=low, high=high, log=True):
            return min(max(math.exp(rng.uniform(math.log(low), math.log(high))), low), high)
        case FloatDistribution(low=low, high=high, step=None):
            return rng.uniform(low, high)
        case FloatDistribution(low=low, high=high, step=float(step)):
            return min(low + step * rng.randrange(round((high - low) / step) + 1), high)
    raise TypeError(f"not an Optuna distribution: {distribution!r}")


def holes(*spaces: Node) -> dict[str, Hole]:
    """Return all holes of the search spaces by parameter name, in the order of the trees.

    Raises:
        SpaceError: If two different holes have the same parameter name.
    """
    names = Names()
    for space in spaces:
        for hole, place in visit(space, ROOT):
            names.add(hole, place)
    return names.holes


def visit(value: Any, place: Place) -> Iterator[tuple[Hole, Place]]:
    if isinstance(value, Node):
        if value.open:
            for part, at in parts(value, place):
                yield from visit(part, at)
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from visit(item, place.below(str(i)))
    elif isinstance(value, Repeat):
        if value.low < value.high:
            yield value, place
        for i in range(value.high):
            yield from visit(value.copy(i), place.copy(value, i))
    elif isinstance(value, Hole):
        yield value, place
        if isinstance(value, Choose):
            for label, option in value.by_label.items():
                yield from visit(option, place.option(value, label))


def distributions(space: Node) -> dict[str, BaseDistribution]:
    return {name: hole.distribution for name, hole in holes(space).items()}
