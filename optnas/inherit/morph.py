"""A child network with the weights of its parent."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import torch
from torch import Tensor

from optnas.data.trees import leaves, mapped
from optnas.inherit.child import Child
from optnas.inherit.inserted import calibrate
from optnas.inherit.parent import Parent
from optnas.inherit.signals import Numbers
from optnas.inherit.walk import shapes_within
from optnas.one_shot.traced import Traced

__all__ = ["Morph", "morph"]

# Samples that tell the shapes within a network.
_FEW = 2
# Of what is equal but for the rounding of float32 in another order.
_RELATIVE, _ABSOLUTE = 1e-4, 1e-5


@dataclasses.dataclass(frozen=True)
class Morph:
    """Outcome of handing weights down.

    Attributes:
        share: The share of the child's weights that are the parent's.
        preserved: Whether the child computes what the parent does, in evaluation mode.
    """

    share: float
    preserved: bool


def morph(child: Traced, parent: Traced, batch: Any) -> Morph:
    """Give a child network the weights of its parent, so that it computes the same function where it can.

    Wider layers, larger kernels and new layers keep the function (Net2Net, Chen et al. 2016); of what else
    differs the weights that fit are copied, and the rest stays fresh. A weight is known by its place in the
    search space (:mod:`optnas.one_shot.traced`).

    Args:
        child: A network with fresh weights; it is changed, and is in evaluation mode afterwards.
        parent: A trained network of the same search space.
        batch: Some inputs of the networks.
    """
    numbers = Numbers()
    inputs = numbers.of("input")
    child.module.eval()
    parent.module.eval()
    with torch.no_grad():
        few = mapped(lambda each: each[:_FEW], batch)
        of_parent = Parent(parent, shapes_within(parent.module, few), numbers, inputs)
        made = Child(child, shapes_within(child.module, few), of_parent, inputs)
        calibrate(child.module, made.norms, batch)
        preserved = made.preserved and _agree(child.module(batch), parent.module(batch))
    total = sum(weight.numel() for weight in child.module.parameters())
    return Morph(made.count / total if total else 1.0, preserved)


def _agree(one: Any, other: Any) -> bool:
    """Return whether outputs are equal but for rounding: a guard against ops that are not as they seem."""
    with contextlib.suppress(RuntimeError, TypeError):
        pairs = zip(leaves(one), leaves(other), strict=True)
        return all(isinstance(a, Tensor) and torch.allclose(a, b, _RELATIVE, _ABSOLUTE) for a, b in pairs)
    return False
