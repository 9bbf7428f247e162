"""Closing of a search space in which every node keeps its place, and open choices may become mixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from optuna.distributions import BaseDistribution

from optnas.one_shot.mixed import DEPTHS, MIXED
from optnas.one_shot.traced import AROUND
from optnas.ops import seq
from optnas.space import Node
from optnas.space.closing import Closing, holes
from optnas.space.holes import Choose, Hole, Repeat
from optnas.space.names import ROOT, Place, parts

__all__ = ["Placing", "mixtures", "summed"]


class Placing(Closing):
    """Closing that names each node by its place in the space, so that weights are shared by place.

    Args:
        decide: Returns the value of a parameter, by its name and distribution.
        mixed: The names of parameters whose options all stay, in a mixture.

    Attributes:
        acts_on: For each choice between layers that was decided, the places of the layers that were taken.
    """

    def __init__(self, decide: Callable[[str, BaseDistribution], Any], mixed: Iterable[str] = ()) -> None:
        super().__init__(decide)
        self.acts_on: dict[str, list[str | None]] = {}
        self._mixed = frozenset(mixed)

    def placed(self, space: Node) -> Node:
        """Return the tree of ``space``, with the place of each node as its name."""
        (tree,) = self._close(space, ROOT)
        assert isinstance(tree, Node)
        return tree

    def _close(self, value: Any, place: Place) -> tuple[Any, ...]:
        if isinstance(value, Node):
            return (self._close_node(value, place),)
        if not isinstance(value, Hole):
            return super()._close(value, place)
        name = value.parameter(place.name(value))
        if name in self._mixed:
            return (self._mixture(value, place, name),)
        closed = super()._close(value, place)
        if isinstance(value, Choose):
            self.acts_on.setdefault(name, []).extend(each.name for each in closed if isinstance(each, Node))
        return closed

    def _close_node(self, node: Node, place: Place) -> Node:
        own = place.path or node.op.name
        closed = super()._close_node(node, place)
        return Node(closed.op, closed.args, closed.children, own)

    def _mixture(self, hole: Hole, place: Place, name: str) -> Node:
        """Return the node of all options of a choice, or of all copies of a repetition."""
        self._names.add(hole, place)
        if isinstance(hole, Repeat):
            copies = tuple(_one(self._close(hole.copy(i), place.copy(hole, i))) for i in range(hole.high))
            return Node(DEPTHS, (("hole", name), ("low", hole.low)), copies, f"{AROUND}{name}")
        assert isinstance(hole, Choose)
        options = tuple(
            _one(self._close(option, place.option(hole, label))) for label, option in hole.by_label.items()
        )
        return Node(MIXED, (("hole", name),), options, f"{AROUND}{name}")


def _one(nodes: Iterable[Any]) -> Node:
    """Return several nodes as one."""
    nodes = tuple(nodes)
    return nodes[0] if len(nodes) == 1 else Node(seq, (), nodes, AROUND)


def mixtures(space: Node) -> Iterator[str]:
    """Yield the names of choices between nodes and of repetitions, which could be mixtures."""
    for name, hole in holes(space).items():
        if isinstance(hole, Repeat) or (
            isinstance(hole, Choose) and all(isinstance(option, Node | Hole) for option in hole.options)
        ):
            yield name


def summed(space: Node) -> set[str]:
    """Return the names of choices whose layers' outputs are merged with others, as on the edges of a cell."""
    found = set[str]()

    def walk(value: Any, place: Place, merged: bool) -> None:
        if isinstance(value, Node):
            for index, (part, at) in enumerate(parts(value, place)):
                walk(part, at, index >= len(value.args) and not value.op.sequential)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                walk(item, place.below(str(index)), False)
        elif isinstance(value, Repeat):
            for index in range(value.high):
                walk(value.copy(index), place.copy(value, index), merged)
        elif isinstance(value, Choose):
            if merged:
                found.add(value.parameter(place.name(value)))
            for label, option in value.by_label.items():
                walk(option, place.option(value, label), merged)

    walk(space, ROOT, False)
    return found
