"""Convolutions over images. Shapes are (channels, height, width)."""

from __future__ import annotations

from torch import nn

from optnas.cost import Cost
from optnas.ops.containers import seq
from optnas.ops.define import op
from optnas.ops.shapes import Sides, channels_of, image, numel, positive, sides, squared, window
from optnas.space import Node, Shape

__all__ = ["channel_shuffle", "conv", "depthwise", "sepconv", "transposed_conv"]


def _conv_cost(
    shape: Shape,
    width: int | str,
    kernel: Sides = 3,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: int | None = None,
    bias: bool = False,
) -> Cost:
    width = channels_of(width, shape)
    positive(width=width, stride=stride, dilation=dilation, groups=groups)
    (down, across), (channels, height, wide) = sides(kernel), image(shape)
    if channels % groups or width % groups:
        raise ValueError(f"groups={groups} must divide both {channels} channels and width={width}")
    above, beside = _same(kernel, dilation) if padding is None else (padding, padding)
    out = (
        width,
        window(height, down, stride, above, dilation),
        window(wide, across, stride, beside, dilation),
    )
    weights = width * (channels // groups) * down * across
    return Cost(
        out,
        flops=2 * weights * out[1] * out[2],
        params=weights + (width if bias else 0),
        activations=numel(out),
        depth=1,
    )


def _same(kernel: Sides, dilation: int) -> tuple[int, int]:
    down, across = sides(kernel)
    return dilation * (down - 1) // 2, dilation * (across - 1) // 2


@op(cost=_conv_cost, simplify=squared)
def conv(
    shape: Shape,
    width: int | str,
    kernel: Sides = 3,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: int | None = None,
    bias: bool = False,
) -> nn.Module:
    """Apply a convolution with ``width`` output channels.

    Args:
        width: Output channels; ``"same"`` for as many as the input has.
        kernel: Side of the square kernel, or its height and width, such as (7, 1).
        stride: Step of the kernel.
        dilation: Distance between kernel elements.
        groups: Number of groups of channels, convolved separately; must divide both widths.
        padding: Zeros on every side; the default keeps the image size for an odd kernel at stride 1.
        bias: Whether there is a bias; off by default, since a norm follows in most spaces.
    """
    margin = _same(kernel, dilation) if padding is None else padding
    return nn.Conv2d(shape[0], channels_of(width, shape), kernel, stride, margin, dilation, groups, bias)


def _depthwise_cost(
    shape: Shape, kernel: Sides = 3, stride: int = 1, dilation: int = 1, bias: bool = False
) -> Cost:
    channels, _, _ = image(shape)
    return _conv_cost(shape, channels, kernel, stride, dilation, groups=channels, bias=bias)


@op(cost=_depthwise_cost, simplify=squared)
def depthwise(
    shape: Shape, kernel: Sides = 3, stride: int = 1, dilation: int = 1, bias: bool = False
) -> nn.Module:
    """Apply a depthwise convolution: each channel separately. Arguments as for ``conv``."""
    channels, _, _ = image(shape)
    return nn.Conv2d(
        channels, channels, kernel, stride, _same(kernel, dilation), dilation, groups=channels, bias=bias
    )


@op
def sepconv(
    width: int | str, kernel: Sides = 3, stride: int = 1, dilation: int = 1, bias: bool = False
) -> Node:
    """Apply a separable convolution: a depthwise, then a 1×1 convolution (Chollet 2017)."""
    return seq(depthwise(kernel, stride, dilation), conv(width, kernel=1, bias=bias))


def _transposed_geometry(kernel: int, stride: int) -> tuple[int, int]:
    """Return the padding and output padding that make the image ``stride`` times as large."""
    padding = max(0, (kernel - stride + 1) // 2)
    missing = stride - kernel + 2 * padding
    # PyTorch needs an output padding below the stride: an even kernel at stride 1 adds a row instead.
    return (padding, missing) if missing < stride else (padding - 1, 0)


def _transposed_cost(
    shape: Shape, width: int | str, kernel: int = 4, stride: int = 2, bias: bool = False
) -> Cost:
    width = channels_of(width, shape)
    positive(width=width, kernel=kernel, stride=stride)
    channels, height, wide = image(shape)
    padding, missing = _transposed_geometry(kernel, stride)
    out = (width, *((size - 1) * stride - 2 * padding + kernel + missing for size in (height, wide)))
    if min(out) < 1:
        raise ValueError(f"a window of {kernel} at stride {stride} leaves nothing of {height}×{wide}")
    weights = channels * width * kernel * kernel
    return Cost(
        out,
        flops=2 * weights * height * wide,
        params=weights + (width if bias else 0),
        activations=numel(out),
        depth=1,
    )


@op(cost=_transposed_cost)
def transposed_conv(
    shape: Shape, width: int | str, kernel: int = 4, stride: int = 2, bias: bool = False
) -> nn.Module:
    """Apply a transposed convolution; the image becomes ``stride`` times as large (Zeiler et al. 2010).

    Args:
        width: Output channels; ``"same"`` for as many as the input has.
        kernel: Side of the square kernel over which each pixel is spread.
        stride: Factor by which the image grows.
        bias: Whether each output channel has a bias.
    """
    padding, missing = _transposed_geometry(kernel, stride)
    return nn.ConvTranspose2d(
        shape[0], channels_of(width, shape), kernel, stride, padding, missing, bias=bias
    )


def _shuffle_cost(shape: Shape, groups: int) -> Cost:
    positive(groups=groups)
    channels, _, _ = image(shape)
    if channels % groups:
        raise ValueError(f"groups={groups} must divide {channels} channels")
    return Cost(shape, activations=numel(shape))


@op(cost=_shuffle_cost, simplify=lambda node: None if node.arguments["groups"] == 1 else node)
def channel_shuffle(groups: int) -> nn.Module:
    """Shuffle channels between the groups of the next convolution (Zhang et al. 2018)."""
    return nn.ChannelShuffle(groups)
