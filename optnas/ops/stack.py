"""Stack of cells, each applied to the outputs of the two before it (Zoph et al. 2018; Liu et al. 2019)."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from torch import Tensor, nn

from optnas.cost import Cost
from optnas.ops.blocks import relu_conv_bn
from optnas.ops.shapes import positive
from optnas.ops.skip import factorized_reduce
from optnas.space import Node, Op, Shape, Site, register, strided

__all__ = ["Step", "reductions", "stack", "steps"]

_WORDS = inspect.Parameter.POSITIONAL_OR_KEYWORD


@lru_cache(maxsize=256)
def _adapters(width: int) -> tuple[Node, Node]:
    """Return an op that maps an input to ``width`` channels, and one that also halves the image."""
    return relu_conv_bn(1, width=width), factorized_reduce(width=width)


class Step(NamedTuple):
    """One cell of a stack, the ops that adapt its two inputs, and the input shape of each."""

    cell: Node
    older: Node
    newer: Node
    older_shape: Shape
    newer_shape: Shape
    cell_shape: Shape


class _Stack(Op):
    def cost(self, node: Node, site: Site) -> Cost:
        total = Cost(site.shape)
        older_depth = newer_depth = 0
        for step in steps(node, site):
            older = site.at(step.older_shape).cost(step.older)
            newer = site.at(step.newer_shape).cost(step.newer)
            if older.shape != newer.shape:
                raise ValueError(f"its inputs end in different shapes, {older.shape} and {newer.shape}")
            cell = site.at(step.cell_shape).cost(step.cell)
            for part in (older, newer, cell):
                total = total.then(part)
            depth = max(older_depth + older.depth, newer_depth + newer.depth) + cell.depth
            older_depth, newer_depth = newer_depth, depth
        return dataclasses.replace(total, depth=newer_depth)

    def build(self, node: Node, site: Site) -> nn.Module:
        site.cost(node)  # raises if shapes do not fit
        return StackModule(
            (
                site.at(step.older_shape).build(step.older),
                site.at(step.newer_shape).build(step.newer),
                site.at(step.cell_shape).build(step.cell),
            )
            for step in steps(node, site)
        )


def reductions(cells: int) -> tuple[bool, ...]:
    """Return for each of the cells of a stack whether it halves the image."""
    return tuple(index in (cells // 3, 2 * cells // 3) for index in range(cells))


def steps(node: Node, site: Site) -> Iterator[Step]:
    """Yield the cells of a stack for an input at ``site``.

    Raises:
        ValueError: If its arguments do not make a stack.
    """
    arguments = node.arguments
    width, cells = arguments["width"], arguments["cells"]
    positive(width=width, cells=cells)
    normal, reduction = arguments["normal"], strided(arguments["reduction"], 2)
    older_shape = newer_shape = site.shape
    reduced = False
    for reduces in reductions(cells):
        width *= 2 if reduces else 1
        newer, halved = _adapters(width)
        # The older input is still as large as before the last reduction.
        older = halved if reduced else newer
        cell = reduction if reduces else normal
        cell_shape = site.at(newer_shape).cost(newer).shape
        yield Step(cell, older, newer, older_shape, newer_shape, cell_shape)
        older_shape, newer_shape = newer_shape, site.at(cell_shape).cost(cell).shape
        reduced = reduces


stack = register(
    _Stack(
        "stack",
        inspect.Signature(
            [
                inspect.Parameter("normal", _WORDS),
                inspect.Parameter("reduction", _WORDS),
                inspect.Parameter("width", _WORDS, default=16),
                inspect.Parameter("cells", _WORDS, default=8),
            ]
        ),
        """Cells on one another, each fed by the two before it, as in NASNet and DARTS.

The cells a third and two thirds of the way up halve the image and have twice the width.

Args:
    normal: A cell of two inputs.
    reduction: The cell that halves the image; its ops on the inputs take stride 2.
    width: Channels of the first cells' states.
    cells: How many cells there are.
""",
    )
)


class StackModule(nn.Module):
    """Stack of cells, each applied to the adapted outputs of the two cells before it."""

    def __init__(self, steps: Iterator[tuple[nn.Module, nn.Module, nn.Module]]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(nn.ModuleList(step) for step in steps)

    def forward(self, x: Tensor) -> Tensor:
        before = x
        for step in self.steps:
            older, newer, cell = step.children()
            before, x = x, cell(older(before), newer(x))
        return x
