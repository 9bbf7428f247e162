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

__all__ = ["learned_text", "with_learned"]


def learned_text(tree: Node, module: nn.Module, site: Site) -> str | None:
    """Return the text of an architecture with the constants that its activations learned, in four digits.

    ``None`` if none was learned, or those of cells alone; arguments as for :func:`with_learned`.
    """
    learned = with_learned(tree, module, site, digits=4)
    return None if learned == tree else str(learned)


def with_learned(tree: Node, module: nn.Module, site: Site, *, digits: int | None = None) -> Node:
    """Return an architecture with the learned constants of its activations in the place of the first ones.

    Blocks in which something was learned are opened. Activations within cells keep what they started from, as
    one cell stands for several with values of their own.

    Args:
        tree: The architecture.
        module: The network that it built for ``site``.
        site: The input's shape and the context.
        digits: The number of significant digits of a constant; by default all.
    """
    if not any(map(_learns, module.modules())):
        return tree
    if tree.op.chain:
        return _chain(tree, module, site, digits)
    if tree.op.name == "residual" and isinstance(module, Residual):
        return _chain(tree, module.body, site, digits)
    if tree.op.name == "excite" and isinstance(module, Gated):
        return _chain(tree, module.gate, site, digits)
    if isinstance(tree.op, Merging) and isinstance(module, Merged):
        paths = zip(tree.children, module.branches, strict=True)
        return Node(
            tree.op, tree.args, tuple(with_learned(path, each, site, digits=digits) for path, each in paths)
        )
    if isinstance(module, Forked):
        branches = zip(tree.args, module.branches, strict=True)
        return Node(
            tree.op, tuple((name, with_learned(b, each, site, digits=digits)) for (name, b), each in branches)
        )
    if is_activation(tree):
        return _activation(tree, module, digits)
    opened = tree.op.stands_for(tree, site)
    return tree if opened is None else with_learned(opened, module, site, digits=digits)


def _learns(module: nn.Module) -> bool:
    return isinstance(module, nn.PReLU) or (isinstance(module, Applied) and len(module.learned) > 0)


def _chain(tree: Node, module: nn.Module, site: Site, digits: int | None) -> Node:
    modules = [module] if len(tree.children) == 1 else list(module.children())
    children = []
    for child, each in zip(tree.children, modules, strict=True):
        children.append(with_learned(child, each, site, digits=digits))
        try:
            site = site.at(site.cost(child).shape)
        except BuildError:  # then the network is not of this tree
            return tree
    return Node(tree.op, tree.args, tuple(children))


def _activation(tree: Node, module: nn.Module, digits: int | None) -> Node:
    if tree.op.name == "act" and isinstance(module, Expression):
        return Node(tree.op, (("of", _expression(tree.arguments["of"], iter(module.steps), digits)),))
    return _constants(tree, module, digits)


def _expression(tree: Node, steps: Iterator[Any], digits: int | None) -> Node:
    """Return a function with learned constants; the steps are those of its operands, then its own."""
    if not isinstance(tree.op, Function):
        return _constants(tree, next(steps), digits)
    operands = iter([_expression(operand, steps, digits) for operand in operands_of(tree)])
    args = tuple((name, next(operands) if name == "of" else value) for name, value in tree.args)
    return _constants(Node(tree.op, args, tuple(operands)), next(steps), digits)


def _constants(tree: Node, module: nn.Module, digits: int | None) -> Node:
    found: dict[str, float] = {}
    if isinstance(module, nn.PReLU):
        found = {"slope": float(module.weight.detach().mean())}
    elif isinstance(module, Applied):
        found = {name: float(value.detach()) for name, value in module.learned.items()}
    if digits is not None:
        found = {name: float(f"{value:.{digits}g}") for name, value in found.items()}
    args = tuple((name, found.get(name, value)) for name, value in tree.args)
    return Node(tree.op, args, tree.children)
