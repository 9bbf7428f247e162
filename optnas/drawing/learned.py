"""Replaces constants of activations in an architecture by the values that a trained network learned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from optnas.drawing.curves import is_activation
from optnas.ops.expressions import Expression
from optnas.ops.merging import Merging
from optnas.ops.modules import Applied, Gated, Merged, Residual
from optnas.ops.pointwise import Function, operands_of
from optnas.ops.several import Forked
from optnas.space import BuildError, Node, Site

__all__ = ["with_learned"]


def with_learned(tree: Node, module: nn.Module, site: Site) -> Node:
    """Return an architecture with the learned constants of its activations in the place of the first ones.

    Blocks in which something was learned are opened. Activations within cells keep what they started from, as
    one cell stands for several with values of their own.

    Args:
        tree: The architecture.
        module: The network that it built for ``site``.
        site: The input's shape and the context.
    """
    if not any(map(_learns, module.modules())):
        return tree
    if tree.op.chain:
        return _chain(tree, module, site)
    if tree.op.name == "residual" and isinstance(module, Residual):
        return _chain(tree, module.body, site)
    if tree.op.name == "excite" and isinstance(module, Gated):
        return _chain(tree, module.gate, site)
    if isinstance(tree.op, Merging) and isinstance(module, Merged):
        paths = zip(tree.children, module.branches, strict=True)
        return Node(tree.op, tree.args, tuple(with_learned(path, each, site) for path, each in paths))
    if isinstance(module, Forked):
        branches = zip(tree.args, module.branches, strict=True)
        return Node(tree.op, tuple((name, with_learned(b, each, site)) for (name, b), each in branches))
    if is_activation(tree):
        return _activation(tree, module)
    opened = tree.op.stands_for(tree, site)
    return tree if opened is None else with_learned(opened, module, site)


def _learns(module: nn.Module) -> bool:
    return isinstance(module, nn.PReLU) or (isinstance(module, Applied) and len(module.learned) > 0)


def _chain(tree: Node, module: nn.Module, site: Site) -> Node:
    modules = [module] if len(tree.children) == 1 else list(module.children())
    children = []
    for child, each in zip(tree.children, modules, strict=True):
        children.append(with_learned(child, each, site))
        try:
            site = site.at(site.cost(child).shape)
        except BuildError:  # then the network is not of this tree
            return tree
    return Node(tree.op, tree.args, tuple(children))


def _activation(tree: Node, module: nn.Module) -> Node:
    if tree.op.name == "act" and isinstance(module, Expression):
        return Node(tree.op, (("of", _expression(tree.arguments["of"], iter(module.steps))),))
    return _constants(tree, module)


def _expression(tree: Node, steps: Iterator[Any]) -> Node:
    """Return a function with learned constants; the steps are those of its operands, then its own."""
    if not isinstance(tree.op, Function):
        return _constants(tree, next(steps))
    operands = iter([_expression(operand, steps) for operand in operands_of(tree)])
    args = tuple((name, next(operands) if name == "of" else value) for name, value in tree.args)
    return _constants(Node(tree.op, args, tuple(operands)), next(steps))


def _constants(tree: Node, module: nn.Module) -> Node:
    found: dict[str, float] = {}
    if isinstance(module, nn.PReLU):
        found = {"slope": float(module.weight.detach().mean())}
    elif isinstance(module, Applied):
        found = {name: float(value.detach()) for name, value in module.learned.items()}
    args = tuple((name, found.get(name, value)) for name, value in tree.args)
    return Node(tree.op, args, tree.children)
