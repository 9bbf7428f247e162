"""Cells: small graphs of ops, as in NAS-Bench-201 and DARTS.

``cell(node(conv('same')), node(skip, conv('same')))`` has three states. State 0 is its input; each
node is the sum of its ops, or another merge, which take the states 0, 1, 2, … in turn unless ``inputs``
lists others.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from optnas.cost import Cost
from optnas.ops.canonical_cell import canonical_cell
from optnas.ops.cell_graph import Graph, graph_of
from optnas.ops.containers import CHILDREN
from optnas.ops.merges import is_zero
from optnas.ops.merging import layers_from, merging_of
from optnas.ops.shapes import channel_axis, numel
from optnas.space import Node, Op, Shape, Site, register

__all__ = ["Cell", "CellModule", "cell", "live_edges", "node", "state_shapes"]

_NAMED = inspect.Parameter.KEYWORD_ONLY


class _CellNode(Op):
    """A merge of ops; valid only within a cell."""

    names_ops = frozenset({"merge"})


node = register(
    _CellNode(
        "node",
        inspect.Signature(
            [
                *CHILDREN.parameters.values(),
                inspect.Parameter("inputs", _NAMED, default=None),
                inspect.Parameter("merge", _NAMED, default=None),
            ]
        ),
        """A state of a cell: the merge of its children, each applied to one of the states before it.

Args:
    children: The ops.
    inputs: The state that each is applied to; by default 0, 1, 2, … in turn.
    merge: The merge of their outputs, as of ``branch``; it can be a choice. By default the cell's.
""",
    )
)

_node = node  # for use where a parameter is called node


class Cell(Op):
    """A graph of ops, given by nodes as children."""

    names_ops = frozenset({"merge"})

    def simplify(self, node: Node) -> Node | None:
        try:
            graph = graph_of(node)
        except ValueError:
            return node  # build and cost raise the error, with the node in the message
        return canonical_cell(graph, cell, _node)

    def cost(self, node: Node, site: Site) -> Cost:
        graph = graph_of(node)
        states = [Cost(site.shape)] * graph.inputs
        flops = params = activations = elementwise = width = 0
        for position, edges in enumerate(graph.nodes):
            costs = [site.at(states[source].shape).cost(op) for op, source in edges]
            merging = _merging_cost(graph.merge(position), [edge.shape for edge in costs], site)
            for part in (*costs, merging):
                flops += part.flops
                params += part.params
                activations += part.activations
                elementwise += part.elementwise
                width = max(width, part.width)
            depth = max(
                states[source].depth + edge.depth + layers_from(merging, place)
                for place, (edge, (_, source)) in enumerate(zip(costs, edges, strict=True))
            )
            states.append(Cost(merging.shape, depth=depth))
        out = [states[state] for state in graph.outputs]
        shape = _joined_shape([state.shape for state in out])
        if len(out) > 1:
            activations += numel(shape)
        depth = max(state.depth for state in out)
        return Cost(shape, flops, params, activations, elementwise, depth, width)

    def build(self, node: Node, site: Site) -> nn.Module:
        site.cost(node)  # raises if shapes do not fit
        graph = graph_of(node)
        shapes = state_shapes(graph, site)
        nodes: list[list[tuple[nn.Module, int]]] = []
        merges: dict[str, nn.Module] = {}
        for position, edges in enumerate(graph.nodes):
            merge = graph.merge(position)
            if merge is not None:
                ends = [site.at(shapes[source]).cost(op).shape for op, source in edges]
                merges[str(position)] = merging_of(merge).merging_module(merge, ends, site)
            live = [edges[place] for place in live_edges(graph, position)]
            nodes.append([(site.at(shapes[source]).build(op), source) for op, source in live])
        return CellModule(nodes, graph.inputs, graph.outputs, merges)


def live_edges(graph: Graph, position: int) -> list[int]:
    """Return the places of the ops of a node that are built.

    Where outputs are summed, ops that output zeros need not be computed, unless there are no others.
    """
    edges = graph.nodes[position]
    every = list(range(len(edges)))
    if graph.merge(position) is not None:
        return every
    return [place for place in every if not is_zero(edges[place][0])] or every[:1]


def state_shapes(graph: Graph, site: Site) -> list[Shape]:
    """Return the shape of each state of a cell."""
    shapes = [site.shape] * graph.inputs
    for position, edges in enumerate(graph.nodes):
        ends = [site.at(shapes[source]).cost(op).shape for op, source in edges]
        shapes.append(_merging_cost(graph.merge(position), ends, site).shape)
    return shapes


def _merging_cost(merge: Node | None, shapes: list[Shape], site: Site) -> Cost:
    """Return the cost of merging what the ops of a node return."""
    if merge is not None:
        return merging_of(merge).merging_cost(merge, shapes, site)
    for shape in shapes:
        if shape != shapes[0]:
            raise ValueError(f"a node's ops end in different shapes, {shapes[0]} and {shape}")
    sums = (len(shapes) - 1) * numel(shapes[0])
    return Cost(shapes[0], activations=sums, elementwise=sums)


def _joined_shape(shapes: list[Shape]) -> Shape:
    if len(shapes) == 1:
        return shapes[0]
    axis = channel_axis(shapes[0])
    if len({(shape[:axis], shape[axis + 1 :]) for shape in shapes}) > 1:
        raise ValueError(f"the states in concat cannot be joined: {', '.join(map(str, shapes))}")
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


cell = register(
    Cell(
        "cell",
        inspect.Signature(
            [
                inspect.Parameter("nodes", inspect.Parameter.VAR_POSITIONAL),
                inspect.Parameter("inputs", _NAMED, default=1),
                inspect.Parameter("concat", _NAMED, default=None),
                inspect.Parameter("stride", _NAMED, default=1),
                inspect.Parameter("merge", _NAMED, default="add"),
            ]
        ),
        """A graph of ops.

Args:
    nodes: Its states beyond the inputs, each a ``node``.
    inputs: How many of the first states are inputs. Where only one tensor arrives, all are that.
    concat: The states that are put side by side at the end; by default the last node alone.
    stride: Of the ops that are applied to the inputs; 2 makes a reduction cell.
    merge: The merge of the ops of a node, as of ``branch``, unless the node has its own; it can be a choice.

>>> from optnas import ops
>>> ops.cell(ops.node(ops.relu_conv_bn(3)), ops.node(ops.skip(), ops.relu_conv_bn(1)))
cell(node(relu_conv_bn(3)), node(skip, relu_conv_bn(1)))
>>> ops.cell(ops.node(ops.skip(), ops.conv("same"), inputs=(0, 1)), inputs=2).cost((4, 8, 8)).shape
(4, 8, 8)
""",
    )
)


class CellModule(nn.Module):
    """A graph of modules; takes one tensor for each input, or a single tensor for all inputs.

    Args:
        nodes: For each further state its modules, with the state that each is applied to.
        inputs: Number of inputs.
        outputs: The states that it returns, side by side.
        merges: Modules that merge the outputs of a node's modules, by its place; others are summed.
    """

    def __init__(
        self,
        nodes: list[list[tuple[nn.Module, int]]],
        inputs: int,
        outputs: tuple[int, ...],
        merges: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.nodes = nn.ModuleList(nn.ModuleList(module for module, _ in edges) for edges in nodes)
        self.sources = [[source for _, source in edges] for edges in nodes]
        self.inputs = inputs
        self.outputs = outputs
        if merges:  # networks that were pickled before there were any have none either
            self.merges = nn.ModuleDict(dict(merges))

    def forward(self, *given: Tensor) -> Tensor:
        states = list(given if len(given) == self.inputs else given * self.inputs)
        merges = dict(self.merges.items()) if "merges" in self._modules else {}
        for position, (modules, sources) in enumerate(zip(self.nodes, self.sources, strict=True)):
            edges = zip(modules, sources, strict=True)  # type: ignore[call-overload]
            merge = merges.get(str(position))
            if merge is not None:
                states.append(merge(*(module(states[source]) for module, source in edges)))
                continue
            total: Tensor | None = None
            for module, source in edges:
                term = module(states[source])
                total = term if total is None else total + term
            assert total is not None
            states.append(total)
        if len(self.outputs) == 1:
            return states[self.outputs[0]]
        out = [states[state] for state in self.outputs]
        return torch.cat(out, 1 + channel_axis(tuple(out[0].shape[1:])))

    def extra_repr(self) -> str:
        return f"sources={self.sources}, outputs={self.outputs}"
