"""Convolution over the nodes of a graph. Shapes are (nodes, features)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from optnas.cost import Cost
from optnas.ops.define import op
from optnas.ops.shapes import channels_of, positive, sequence
from optnas.space import Shape

__all__ = ["graph_conv"]

Edges = tuple[tuple[int, int], ...]


class GraphConvolution(nn.Module):
    """Linear layer of the mean over neighbours, weighted by their degrees."""

    adjacency: Tensor

    def __init__(self, nodes: int, features: int, width: int, edges: Edges, bias: bool) -> None:
        super().__init__()
        # On the CPU also where the network is built on the meta device: the edges are known.
        linked = torch.eye(nodes, device="cpu")
        for one, other in edges:
            linked[one, other] = linked[other, one] = 1.0
        scale = linked.sum(1).rsqrt()
        adjacency = scale[:, None] * linked * scale
        device = torch.empty(0).device
        self.register_buffer("adjacency", adjacency.to(device), persistent=False)
        self.linear = nn.Linear(features, width, bias)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.linear(self.adjacency.to(x.dtype) @ x)
        return mixed


def _graph_cost(shape: Shape, width: int | str, edges: Edges, bias: bool = True) -> Cost:
    if len(shape) != 2:
        raise ValueError(f"it expects (nodes, features), not {len(shape)} sizes")
    nodes, features = sequence(shape)
    width = channels_of(width, shape)
    positive(width=width)
    if not isinstance(edges, tuple):
        raise ValueError(f"edges={edges!r} must be pairs of nodes: ((0, 1), (1, 2))")
    for edge in edges:
        if not isinstance(edge, tuple) or len(edge) != 2 or not all(type(node) is int for node in edge):
            raise ValueError(f"edges: {edge!r} is no pair of nodes such as (0, 1)")
        if not all(0 <= node < nodes for node in edge):
            raise ValueError(f"edges: {edge!r} is outside the nodes 0 to {nodes - 1}")
    return Cost(
        (nodes, width),
        flops=2 * nodes * nodes * features + 2 * nodes * features * width,
        params=features * width + (width if bias else 0),
        activations=nodes * features + nodes * width,
        depth=1,
    )


@op(cost=_graph_cost)
def graph_conv(shape: Shape, width: int | str, edges: Edges, bias: bool = True) -> nn.Module:
    """Apply a graph convolution: D^-½ (A + I) D^-½ X W (Kipf & Welling 2017): (nodes, width).

    The graph is an argument, and the same for all samples: layers follow one another as on any sequence, and
    the text of an architecture holds all of it. A graph of its own for each sample is an input by name, for
    an ``op`` of two tensors. The adjacency is kept as a dense matrix, for up to some thousand nodes.

    Args:
        width: Output features; ``"same"`` for as many as the input has.
        edges: Pairs of nodes, counted from 0, that are linked, in both directions: ``((0, 1), (1, 2))``.
        bias: Whether each output feature has a bias.
    """
    return GraphConvolution(shape[0], shape[1], channels_of(width, shape), edges, bias)
