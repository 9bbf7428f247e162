"""Cells: small graphs of ops, as in NAS-Bench-201 and DARTS.

``cell(node(conv('same')), node(skip, conv('same')))`` has three states. State 0 is its input; each
node is the sum of its ops, which take the states 0, 1, 2, … in turn unless ``inputs`` lists others.
"""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn

from optnas.cost import Cost
from optnas.ops.canonical_cell import canonical_cell
from optnas.ops.cell_graph import graph_of
from optnas.ops.containers import CHILDREN
from optnas.ops.merges import is_zero
from optnas.ops.shapes import channel_axis, numel
from optnas.space import Node, Op, Shape, Site, register

__all__ = ["Cell", "CellModule", "cell", "node"]

_NAMED = inspect.Parameter.KEYWORD_ONLY


class _CellNode(Op):
    """A sum of ops; valid only within a cell."""


node = register(
    _CellNode(
        "node",
        inspect.Signature([*CHILDREN.parameters.values(), inspect.Parameter("inputs", _NAMED, default=None)]),
        """A state of a cell: the sum of its children, each applied to one of the states before it.

Args:
    children: The ops.
    inputs: The state that each is applied to; by default 0, 1, 2, … in turn.
""",
    )
)

_node = node  # for use where a parameter is called node


class Cell(Op):
    """A graph of ops, given by nodes as children."""

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
        for edges in graph.nodes:
            depth = 0
            shape: Shape | None = None
            for op, source in edges:
                edge = site.at(states[source].shape).cost(op)
                shape = shape or edge.shape
                if edge.shape != shape:
                    raise ValueError(f"a node's ops end in different shapes, {shape} and {edge.shape}")
                flops += edge.flops
                params += edge.params
                activations += edge.activations
                elementwise += edge.elementwise
                depth = max(depth, states[source].depth + edge.depth)
                width = max(width, edge.width)
            assert shape is not None
            sums = (len(edges) - 1) * numel(shape)
            activations += sums
            elementwise += sums
            states.append(Cost(shape, depth=depth))
        out = [states[state] for state in graph.outputs]
        shape = _joined_shape([state.shape for state in out])
        if len(out) > 1:
            activations += numel(shape)
        depth = max(state.depth for state in out)
        return Cost(shape, flops, params, activations, elementwise, depth, width)

    def build(self, node: Node, site: Site) -> nn.Module:
        site.cost(node)  # raises if shapes do not fit
        graph = graph_of(node)
        shapes = [site.shape] * graph.inputs
        nodes: list[list[tuple[nn.Module, int]]] = []
        for edges in graph.nodes:
            shapes.append(site.at(shapes[edges[0][1]]).cost(edges[0][0]).shape)
            # Ops that output zeros need not be computed, unless there are no others.
            live = [edge for edge in edges if not is_zero(edge[0])] or edges[:1]
            nodes.append([(site.at(shapes[source]).build(op), source) for op, source in live])
        return CellModule(nodes, graph.inputs, graph.outputs)


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
            ]
        ),
        """A graph of ops.

Args:
    nodes: Its states beyond the inputs, each a ``node``.
    inputs: How many of the first states are inputs. Where only one tensor arrives, all are that.
    concat: The states that are put side by side at the end; by default the last node alone.
    stride: Of the ops that are applied to the inputs; 2 makes a reduction cell.

>>> from optnas import ops
>>> ops.cell(ops.node(ops.relu_conv_bn(3)), ops.node(ops.skip(), ops.relu_conv_bn(1)))
cell(node(relu_conv_bn(3)), node(skip, relu_conv_bn(1)))
>>> ops.cell(ops.node(ops.skip(), ops.conv("same"), inputs=(0, 1)), inputs=2).cost((4, 8, 8)).shape
(4, 8, 8)
""",
    )
)


class CellModule(nn.Module):
    """A graph of modules; takes one tensor for each input, or a single tensor for all inputs."""

    def __init__(
        self, nodes: list[list[tuple[nn.Module, int]]], inputs: int, outputs: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.nodes = nn.ModuleList(nn.ModuleList(module for module, _ in edges) for edges in nodes)
        self.sources = [[source for _, source in edges] for edges in nodes]
        self.inputs = inputs
        self.outputs = outputs

    def forward(self, *given: Tensor) -> Tensor:
        states = list(given if len(given) == self.inputs else given * self.inputs)
        for modules, sources in zip(self.nodes, self.sources, strict=True):
            total: Tensor | None = None
            for module, source in zip(modules, sources, strict=True):  # type: ignore[call-overload]
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
