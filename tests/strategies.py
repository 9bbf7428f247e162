"""Spaces and architectures of images, drawn at random for property tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from optnas import choose, integer, ops, real, repeat, shared
from optnas.space import Node
from optnas.space.closing import Closing

__all__ = ["SHAPE", "architectures", "seeds", "spaces", "ways"]

SHAPE = (4, 8, 8)
"""What most drawn architectures can be built on."""

seeds = st.integers(0, 2**32 - 1)

# A name is one decision within its scope, so each name stands for one hole only.
_NUMBERS: dict[str, tuple[Any, ...]] = {
    "width": (2, 4, 6, 8),
    "kernel": (1, 3, 5),
    "stride": (1, 2),
    "dilation": (1, 2),
    "groups": (1, 2),
    "padding": (None, 0, 1),
    "bias": (False, True),
    "rate": (0.0, 0.25, 0.5),
    "factor": (0.5, 1.0, 2.0),
}
_NAMED = {kind: choose(*numbers, name=kind) for kind, numbers in _NUMBERS.items()}
_SHARED = {kind: shared(choose(*numbers, name=f"base_{kind}")) for kind, numbers in _NUMBERS.items()}
_RANGES = {
    "width": [integer(2, 8, step=2), integer(1, 8, log=True), integer(3, 4, name="channels")],
    "kernel": [integer(1, 3), choose(1, integer(2, 5))],
    "rate": [real(0.0, 0.75, step=0.25)],
    "factor": [real(1.0, 2.0, step=0.5), choose(0.5, real(1.0, 2.0, step=1.0, name="gain"))],
}
_CONTINUOUS = {
    "rate": [real(0.0, 0.9)],
    "factor": [real(0.1, 10.0, log=True), choose(0.5, real(1.0, 2.0, name="slope"))],
}
_NAMES = ("op", "act", "cell", "layer", "unit", "mix", "arm", "part", "body", "joint", "gate", "node")


class _Drawing:
    """One space in the making."""

    def __init__(self, draw: Any, continuous: bool, reuse: bool) -> None:
        self.draw = draw
        self.reuse = reuse
        self.continuous = continuous
        self.names = iter(_NAMES)
        self.named: list[tuple[int, Any]] = []

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(1, one_in)) == one_in

    def name(self) -> str | None:
        return next(self.names, None) if self.chance(2) else None

    def number(self, kind: str) -> Any:
        numbers = _NUMBERS[kind]
        holes = [choose(*numbers), _NAMED[kind], _SHARED[kind], *_RANGES.get(kind, ())]
        if self.continuous:
            holes += _CONTINUOUS.get(kind, ())
        return self.draw(st.sampled_from(holes if self.chance(2) else numbers))

    def leaf(self) -> Node:
        number = self.number
        makers = [
            lambda name: ops.conv(number("width"), kernel=number("kernel"), name=name),
            lambda name: ops.conv(number("width"), stride=number("stride"), bias=number("bias"), name=name),
            lambda name: ops.conv(
                number("width"), dilation=number("dilation"), groups=number("groups"), name=name
            ),
            lambda name: ops.conv(number("width"), 5, padding=number("padding"), name=name),
            lambda name: ops.depthwise(kernel=number("kernel"), stride=number("stride"), name=name),
            lambda name: ops.sepconv(number("width"), kernel=number("kernel"), name=name),
            lambda name: ops.norm(name=name),
            lambda name: ops.dropout(rate=number("rate"), name=name),
            lambda name: self.draw(st.sampled_from([ops.relu, ops.gelu, ops.mish, ops.tanh]))(name=name),
            lambda name: ops.swish(beta=number("factor"), name=name),
            lambda name: ops.elu(alpha=number("factor"), name=name),
            lambda name: ops.maxpool(number("kernel"), stride=number("stride"), name=name),
            lambda name: ops.avgpool(2, name=name),
            lambda name: ops.identity(name=name),
        ]
        return self.draw(st.sampled_from(makers))(self.part_name())

    def part_name(self) -> str | None:
        return next(self.names, None) if self.chance(6) else None

    def tree(self, depth: int) -> Node:
        if depth == 0 or self.chance(2):
            return self.leaf()
        container = self.draw(st.sampled_from([ops.seq, ops.residual]))
        return container(*self.children(depth - 1), name=self.part_name())

    def children(self, depth: int) -> list[Any]:
        return [self.child(depth) for _ in range(self.draw(st.integers(1, 3)))]

    def child(self, depth: int) -> Any:
        """Return a tree, or a hole that closes to trees."""
        again = [hole for depth_of_hole, hole in self.named if depth_of_hole <= depth]
        if self.reuse and again and self.chance(4):
            return self.draw(st.sampled_from(again))
        kind = self.draw(st.sampled_from(["tree", "choose", "repeat"])) if depth else "tree"
        if kind == "tree":
            return self.tree(depth)
        name = self.name()
        if kind == "choose":
            options = [self.child(depth - 1) for _ in range(self.draw(st.integers(1, 3)))]
            hole = choose(*dict.fromkeys(options), name=name)
        else:
            low, more = self.draw(st.integers(0, 2)), self.draw(st.integers(0, 1))
            hole = repeat(self.child(depth - 1), low, low + more, name=name)
        if name is not None:
            self.named.append((depth, hole))
        return hole


@st.composite
def spaces(draw: Any, *, depth: int = 3, continuous: bool = True, reuse: bool = True) -> Node:
    """Spaces of every kind of hole, nested up to ``depth`` deep.

    Among them: repeats of no copy and of repeats, holes in arguments and holes without a name, named
    parts, options that are numbers, trees, further holes and repeats, one hole in several places,
    and holes shared by the whole study. With ``continuous=False`` they are finite; with
    ``reuse=False`` no tree stands in two places.
    """
    return ops.seq(*_Drawing(draw, continuous, reuse).children(depth))


@st.composite
def architectures(draw: Any, *, depth: int = 3) -> Node:
    """Architectures of such spaces."""
    return draw(spaces(depth=depth)).sample(draw(seeds))


def ways(space: Node) -> Iterator[tuple[dict[str, Any], Node]]:
    """Yield every way to close a finite space: the parameters that are active and the architecture."""
    pending: list[dict[str, Any]] = [{}]
    while pending:
        way = _Way(pending.pop())
        architecture = Closing(way.decide).close(space)
        pending += way.others
        yield way.params, architecture


class _Way:
    """Goes on from the first decisions made with the first value of each, and says what else there is."""

    def __init__(self, first: dict[str, Any]) -> None:
        self.first = first
        self.params: dict[str, Any] = {}
        self.others: list[dict[str, Any]] = []

    def decide(self, name: str, distribution: BaseDistribution) -> Any:
        if name in self.first:
            value = self.first[name]
        else:
            value, *others = _values(distribution)
            self.others += [{**self.params, name: other} for other in others]
        self.params[name] = value
        return value


def _values(distribution: Any) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    steps = round((distribution.high - distribution.low) / distribution.step)
    return [distribution.low + step * distribution.step for step in range(steps + 1)]
