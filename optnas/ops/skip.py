"""Skip connections and absent edges of cells."""

from __future__ import annotations

from torch import nn

from optnas.cost import Cost
from optnas.ops.activations import relu
from optnas.ops.containers import seq
from optnas.ops.define import op
from optnas.ops.linear import identity
from optnas.ops.modules import FactorizedReduce, Zeros
from optnas.ops.norm import norm
from optnas.ops.shapes import channels_of, image, numel, positive, spatial
from optnas.space import Node, Shape

__all__ = ["factorized_reduce", "none", "skip"]


def _none_cost(shape: Shape, stride: int = 1) -> Cost:
    positive(stride=stride)
    if stride == 1:
        return Cost(shape, activations=numel(shape))
    channels, sizes = spatial(shape)
    out = (channels, *(-(-size // stride) for size in sizes))
    return Cost(out, activations=numel(out))


@op(cost=_none_cost)
def none(stride: int = 1) -> nn.Module:
    """Return zeros for every input: an absent edge of a cell."""
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
    """Apply two 1×1 convolutions of stride 2, one shifted by a pixel, and concatenate the channels."""
    return FactorizedReduce(shape[0], channels_of(width, shape))


_offset_convs.internal = True


@op
def factorized_reduce(width: int | str = "same") -> Node:
    """Halve the image: ReLU, two 1×1 convolutions of which one is shifted by a pixel, batch norm.

    The factorised reduction of NASNet and DARTS (Zoph et al. 2018; Liu et al. 2019).

    Args:
        width: Output channels; ``"same"`` for as many as the input has.
    """
    return seq(relu(), _offset_convs(width=width), norm())


@op
def skip(stride: int = 1) -> Node:
    """Return the input unchanged; at stride 2, apply a factorised reduction.

    Args:
        stride: 1, or 2 to halve the image.
    """
    if stride not in (1, 2):
        raise ValueError(f"stride={stride!r}: a skip keeps the image or halves it")
    return identity() if stride == 1 else factorized_reduce()
