"""Values of activations over their input, computed by the modules themselves."""

from __future__ import annotations

import random
from typing import NamedTuple

import torch

from optnas.cost import Cost
from optnas.ops.merges import Merge
from optnas.ops.pointwise import Function
from optnas.space import Node, Site
from optnas.space.memo import remembered

__all__ = ["Curve", "curve_of", "curves_of", "is_activation"]

_REACH = 4.0
_POINTS = 65


class Curve(NamedTuple):
    """Values of a function.

    Attributes:
        x: Where it was evaluated, ascending.
        y: Its values there; ``nan`` or infinite where it has none.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]


def is_activation(node: Node) -> bool:
    """Return whether a node is a function of single numbers, by its op; one of the user's own is tried."""
    op = node.op
    if op.name == "act" or op.defined_in == "optnas.ops.activations":
        return True
    if isinstance(op, Function):
        if isinstance(op, Merge) and (op.name == "concat" or not node.children):
            return False
        operands = (*(value for arg, value in node.args if arg == "of"), *node.children)
        return all(isinstance(operand, Node) and is_activation(operand) for operand in operands)
    return False


def curves_of(node: Node) -> tuple[Curve, ...]:
    """Return the curve of an activation, or some of those that an open one may have."""
    if not node.open:
        curve = curve_of(node)
        return () if curve is None else (curve,)
    if not is_activation(node):
        return ()
    rng = random.Random(0)
    drawn = {node.sample(rng) for _ in range(6)}
    found = [curve for curve in map(curve_of, sorted(drawn, key=str)) if curve is not None]
    return tuple(found[:4])


@remembered(2**12)
def curve_of(node: Node, reach: float = _REACH, points: int = _POINTS) -> Curve | None:
    """Return the values of an activation from ``-reach`` to ``reach``; ``None`` for what is no activation."""
    if not is_activation(node) and not _may_be(node, points):
        return None
    grid = torch.linspace(-reach, reach, points)
    try:
        # Whoever draws while a network trains must not change its random numbers.
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            module = node.build((points,)).float().eval()
            values = module(grid[None])[0]
            # Where neighbours matter, or chance does, it is no function of single numbers.
            turned = module(grid.flip(0)[None])[0].flip(0)
    except Exception:  # of an op of the user's own, or one that is not made for this shape
        return None
    if values.shape != grid.shape or not torch.allclose(values, turned, rtol=1e-3, atol=1e-4, equal_nan=True):
        return None
    return Curve(tuple(grid.tolist()), tuple(values.float().tolist()))


def _may_be(node: Node, points: int) -> bool:
    """Return whether an op of the user's own may be an activation: it keeps the shape and costs no FLOPs."""
    if node.op.builtin or node.children:
        return False
    try:
        cost = Site.of((points,), {}).cost(node)
    except Exception:
        return False
    return isinstance(cost, Cost) and cost.shape == (points,) and cost.flops == 0
