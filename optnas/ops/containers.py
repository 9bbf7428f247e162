"""Chains of ops, applied one after the other."""

from __future__ import annotations

import inspect

from torch import nn

from optnas.cost import Cost
from optnas.cost.paths import after, kept, longest
from optnas.space import Node, Op, Site, register

__all__ = ["CHILDREN", "chain_cost", "chain_modules", "seq"]

CHILDREN = inspect.Signature([inspect.Parameter("children", inspect.Parameter.VAR_POSITIONAL)])

_ONE = {()}  # the places of a single tensor


def chain_cost(children: tuple[Node, ...], site: Site) -> Cost:
    """Return the cost of children applied one after the other."""
    paths = None if isinstance(site.shape, tuple) else kept(site.shape)
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
        width = max(width, cost.width)
        if paths is None and cost.paths is None:
            depth += cost.depth
            continue
        paths = after(paths or {(): {(): depth}}, cost.through)
        depth = longest(paths)
        if paths.keys() == _ONE and paths[()].keys() == _ONE:
            paths = None  # one tensor to one tensor, as at the beginning
    return Cost(shape, flops, params, activations, elementwise, depth, width, paths)


def chain_modules(children: tuple[Node, ...], site: Site) -> nn.Module:
    """Return a module that applies children one after the other."""
    modules = []
    for child in children:
        modules.append(site.build(child))
        site = site.at(site.cost(child).shape)
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)


class _Seq(Op):
    sequential = True
    chain = True
    takes_several = True

    def cost(self, node: Node, site: Site) -> Cost:
        return chain_cost(node.children, site)

    def build(self, node: Node, site: Site) -> nn.Module:
        return chain_modules(node.children, site)


seq = register(_Seq("seq", CHILDREN, "Its children one after the other."))
