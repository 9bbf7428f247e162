"""Ops that consist of other ops."""

from __future__ import annotations

import inspect

from torch import nn

from optnas.cost import Cost
from optnas.ops.modules import Residual
from optnas.ops.shapes import numel
from optnas.space import Node, Op, Shape, Site, register

__all__ = ["CHILDREN", "chain_cost", "chain_modules", "residual", "seq"]

CHILDREN = inspect.Signature([inspect.Parameter("children", inspect.Parameter.VAR_POSITIONAL)])


def chain_cost(children: tuple[Node, ...], site: Site) -> Cost:
    """Return the cost of children applied one after the other."""
    shape = site.shape
    flops = params = activations = elementwise = depth = width = 0
    # The sum of Cost.then over the children, without making a Cost at every step.
    for child in children:
        cost = site.at(shape).cost(child)
        shape = cost.shape
        flops += cost.flops
        params += cost.params
        activations += cost.activations
        elementwise += cost.elementwise
        depth += cost.depth
        width = max(width, cost.width)
    return Cost(shape, flops, params, activations, elementwise, depth, width)


def chain_modules(children: tuple[Node, ...], site: Site) -> nn.Module:
    """Return children applied one after the other as a module."""
    modules = []
    for child in children:
        modules.append(site.build(child))
        site = site.at(site.cost(child).shape)
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)


class _Seq(Op):
    sequential = True
    chain = True

    def cost(self, node: Node, site: Site) -> Cost:
        return chain_cost(node.children, site)

    def build(self, node: Node, site: Site) -> nn.Module:
        return chain_modules(node.children, site)


seq = register(_Seq("seq", CHILDREN, "Its children one after the other."))


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
        """Return what brings the input to the body's shape: a strided 1×1 convolution and a norm."""
        if before == after:
            return None
        from optnas.ops.conv import conv
        from optnas.ops.norm import norm

        if len(before) != 3 or len(after) != 3:
            raise ValueError(f"its body turns {before} into {after}: the sum needs one shape")
        stride = -(-before[1] // after[1])
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
