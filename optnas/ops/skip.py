"""What an edge is besides a layer: a way through, or none."""

from __future__ import annotations

from torch import nn

from optnas.cost import Cost
from optnas.ops.activations import relu
from optnas.ops.containers import seq
from optnas.ops.define import op
from optnas.ops.linear import identity
from optnas.ops.modules import FactorizedReduce, Zeros
from optnas.ops.norm import norm
from optnas.ops.shapes import channels_of, image, numel, positive
from optnas.space import Node, Shape

__all__ = ["factorized_reduce", "none", "skip"]


def _none_cost(shape: Shape, stride: int = 1) -> Cost:
    positive(stride=stride)
    if stride == 1:
        return Cost(shape, activations=numel(shape))
    channels, height, width = image(shape)
    out = (channels, -(-height // stride), -(-width // stride))
    return Cost(out, activations=numel(out))


@op(cost=_none_cost)
def none(stride: int = 1) -> nn.Module:
    """Zeros, whatever comes in: an edge that is not there."""
    return Zeros(stride)


def _reduce_cost(shape: Shape, width: int | str = "same") -> Cost:
    channels, height, wide = image(shape)
    width = channels_of(width, shape)
    positive(width=width)
    if width < 2:
        raise ValueError("it needs a width of 2, one channel for each half")
    out = (width, -(-height // 2), -(-wide // 2))
    return Cost(
        out,
        flops=2 * channels * numel(out),
        params=channels * width,
        activations=numel(out),
        depth=1,
    )


@op(name="offset_convs", cost=_reduce_cost)
def _offset_convs(shape: Shape, width: int | str = "same") -> nn.Module:
    """Two 1×1 convolutions of stride 2, one a pixel off the other, their channels side by side."""
    return FactorizedReduce(shape[0], channels_of(width, shape))


@op
def factorized_reduce(width: int | str = "same") -> Node:
    """Half the image: relu, two 1×1 convolutions a pixel off each other, norm.

    The factorised reduction of NASNet and DARTS (Zoph et al. 2018; Liu et al. 2019).

    Args:
        width: Output channels; ``"same"`` for as many as come in.
    """
    return seq(relu(), _offset_convs(width=width), norm())


@op
def skip(stride: int = 1) -> Node:
    """The identity; at stride 2 a factorised reduction.

    Args:
        stride: 1, or 2 for half the image.
    """
    if stride not in (1, 2):
        raise ValueError(f"stride={stride!r}: a skip keeps the image or halves it")
    return identity() if stride == 1 else factorized_reduce()
