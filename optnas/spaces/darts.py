"""DARTS search space: a normal and a reduction cell (Liu et al. 2019, arXiv 1806.09055)."""

from __future__ import annotations

import itertools

from optnas.ops.blocks import relu_dilconv_bn, relu_sepconv_bn
from optnas.ops.cell import cell, node
from optnas.ops.containers import seq
from optnas.ops.conv import conv
from optnas.ops.linear import head
from optnas.ops.norm import norm
from optnas.ops.pool import avgpool, maxpool
from optnas.ops.skip import none, skip
from optnas.ops.stack import stack
from optnas.space import Node, choose

__all__ = ["OPS", "darts", "darts_network"]

OPS = {
    "none": none(),
    "max_pool_3x3": maxpool(3, stride=1),
    "avg_pool_3x3": avgpool(3, stride=1),
    "skip_connect": skip(),
    "sep_conv_3x3": relu_sepconv_bn(3),
    "sep_conv_5x5": relu_sepconv_bn(5),
    "dil_conv_3x3": relu_dilconv_bn(3),
    "dil_conv_5x5": relu_dilconv_bn(5),
}
"""The eight ops of DARTS by their names in the paper."""


def darts(nodes: int = 4, width: int = 16, cells: int = 8) -> Node:
    """Return the search space of networks of two cells, in which each node sums two ops on two states.

    Args:
        nodes: Number of nodes of a cell.
        width: Channels of the first cells' states.
        cells: Number of stacked cells.

    >>> from optnas import spaces
    >>> list(spaces.darts().distributions())[:3]
    ['normal.node2.op0', 'normal.node2.op1', 'normal.node3.inputs']
    """
    normal, reduction = (_open_cell(nodes, name) for name in ("normal", "reduction"))
    return darts_network(normal, reduction, width, cells)


def darts_network(normal: Node, reduction: Node, width: int = 16, cells: int = 8) -> Node:
    """Return the paper's network with these two cells: a stem, the stack of cells and a head."""
    return seq(conv(3 * width), norm(), stack(normal, reduction, width, cells), head())


def _open_cell(nodes: int, name: str) -> Node:
    states = range(2, nodes + 2)
    return cell(*map(_open_node, states), inputs=2, concat=tuple(states), name=name)


def _open_node(state: int) -> Node:
    ops = [choose(*OPS.values(), name=f"op{edge}") for edge in range(2)]
    pairs = list(itertools.combinations(range(state), 2))
    inputs = choose(*pairs, name="inputs") if len(pairs) > 1 else pairs[0]
    return node(*ops, inputs=inputs, name=f"node{state}")
