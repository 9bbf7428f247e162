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
from optnas.space.names import ROOT, Place

__all__ = ["Placing", "mixtures"]


class Placing(Closing):
    """Closing that names each node by its place in the space, so that weights are shared by place.

    Args:
        decide: Returns the value of a parameter, by its name and distribution.
        mixed: The names of parameters whose options all stay, in a mixture.

    Attributes:
        gated: For each parameter that was decided, the places of the nodes that its value acts on.
    """

    def __init__(self, decide: Callable[[str, BaseDistribution], Any], mixed: Iterable[str] = ()) -> None:
        super().__init__(decide)
        self.gated: dict[str, list[str]] = {}
        self._mixed = frozenset(mixed)
        self._within: list[str] = []

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
        if not (isinstance(value, Repeat) and value.low == value.high):
            nodes = [each for each in closed if isinstance(each, Node)]
            at = nodes[-1].name if nodes else self._within[-1]
            self.gated.setdefault(name, []).append(at)  # type: ignore[arg-type]
        return closed

    def _close_node(self, node: Node, place: Place) -> Node:
        own = place.path or node.op.name
        self._within.append(own)
        closed = super()._close_node(node, place)
        self._within.pop()
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
