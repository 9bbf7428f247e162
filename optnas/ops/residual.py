"""Residual connections (He et al. 2016)."""

from __future__ import annotations

from torch import nn

from optnas.cost import Cost
from optnas.ops.containers import CHILDREN, chain_cost, chain_modules, seq
from optnas.ops.conv import conv
from optnas.ops.modules import Residual
from optnas.ops.norm import norm
from optnas.ops.shapes import numel
from optnas.space import Node, Op, Shape, Site, register

__all__ = ["residual"]


class _Residual(Op):
    sequential = True

    def cost(self, node: Node, site: Site) -> Cost:
        body = chain_cost(node.children, site)
        shortcut = self._shortcut(site.shape, body.shape)
        both = body.beside(site.cost(shortcut) if shortcut else Cost(site.shape), body.shape)
        added = numel(body.shape)
        return both.then(Cost(body.shape, activations=added, elementwise=added))

    def build(self, node: Node, site: Site) -> nn.Module:
        body = chain_cost(node.children, site)
        shortcut = self._shortcut(site.shape, body.shape)
        return Residual(chain_modules(node.children, site), site.build(shortcut) if shortcut else None)

    def _shortcut(self, before: Shape, after: Shape) -> Node | None:
        """Return a strided 1×1 convolution and a norm that map ``before`` to ``after``; ``None`` if equal."""
        if before == after:
            return None
        if len(before) != len(after) or len(before) not in (3, 4):
            raise ValueError(f"its body turns {before} into {after}: the sum needs one shape")
        stride = -(-before[-1] // after[-1])
        if any(-(-size // stride) != out for size, out in zip(before[1:], after[1:], strict=True)):
            raise ValueError(f"its body turns {before} into {after}: no strided shortcut does the same")
        return seq(conv(after[0], kernel=1, stride=stride), norm())


residual = register(
    _Residual(
        "residual",
        CHILDREN,
        "The sum of its input and its children one after the other (He et al. 2016).\n\n"
        "Where the children change the shape of an image, the input goes through a strided 1×1\n"
        "convolution and a batch norm.",
    )
)
