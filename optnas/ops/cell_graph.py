"""The graph of a cell: which op is applied to which state."""

from __future__ import annotations

from typing import NamedTuple

from optnas.ops.merging import merged, merging_of
from optnas.space import Node, strided
from optnas.space.memo import remembered

__all__ = ["Graph", "graph_of"]


class Graph(NamedTuple):
    """The states and ops of a cell.

    Attributes:
        inputs: Number of states that are inputs; they are the first.
        nodes: For each further state, the ops that it merges and the state that each is applied to.
        concat: The states that are concatenated as the output; ``None`` for the last state alone.
        merges: For each further state the merge of its ops, as a node without children; ``None`` for the sum.
            Empty if all are sums.
    """

    inputs: int
    nodes: tuple[tuple[tuple[Node, int], ...], ...]
    concat: tuple[int, ...] | None
    merges: tuple[Node | None, ...] = ()

    def merge(self, position: int) -> Node | None:
        """Return the merge of the node at a position; ``None`` for the sum."""
        return self.merges[position] if self.merges else None

    @property
    def outputs(self) -> tuple[int, ...]:
        """The states that the cell outputs."""
        return self.concat or (self.inputs + len(self.nodes) - 1,)


@remembered(2**14)
def graph_of(cell: Node) -> Graph:
    """Return the graph of a cell; its stride is set in the ops that are applied to inputs.

    Raises:
        ValueError: If its parts do not make a graph.
    """
    arguments = cell.arguments
    inputs, stride = arguments["inputs"], arguments["stride"]
    for name, number in (("inputs", inputs), ("stride", stride)):
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{name}={number!r} must be a whole number of at least 1")
    if not cell.children:
        raise ValueError("a cell needs a node")
    nodes = []
    for position, child in enumerate(cell.children):
        if child.op.name != "node":
            raise ValueError(f"a cell consists of nodes: write node({child})")
        nodes.append(tuple(_edges(child, inputs, position, stride)))
    concat = arguments["concat"]
    if concat is not None:
        states = inputs + len(nodes)
        if not isinstance(concat, tuple) or not concat or not all(_is_state(s, states) for s in concat):
            raise ValueError(f"concat={concat!r} must be numbers of states, 0 to {states - 1}")
    merges = tuple(_merge(child, cell) for child in cell.children)
    return Graph(inputs, tuple(nodes), concat, merges if any(merges) else ())


def _merge(child: Node, cell: Node) -> Node | None:
    """Return the merge of a node of a cell; ``None`` for the sum."""
    given = child.arguments.get("merge")
    made = merged(cell.arguments.get("merge", "add") if given is None else given)
    merging_of(made).check_number(len(child.children))
    return None if made.op.name == "add" else made


def _edges(child: Node, inputs: int, position: int, stride: int) -> list[tuple[Node, int]]:
    sources = child.arguments["inputs"]
    if sources is None:
        sources = tuple(range(len(child.children)))
    if not child.children or not isinstance(sources, tuple) or len(sources) != len(child.children):
        raise ValueError(f"{child}: give one state in inputs for each of its ops, at least one")
    states = inputs + position
    if not all(_is_state(source, states) for source in sources):
        raise ValueError(f"{child}: its ops can be applied to the states 0 to {states - 1} before it")
    return [
        (strided(op, stride) if stride > 1 and source < inputs else op, source)
        for op, source in zip(child.children, sources, strict=True)
    ]


def _is_state(number: object, states: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < states
