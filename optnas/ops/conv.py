"""Convolutions over images and volumes, and resizing.

Shapes are (channels, height, width), or (channels, depth, height, width). Transposed convolutions and
``upsample`` take sequences, (length, features), too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from optnas.cost import Cost
from optnas.ops.containers import seq
from optnas.ops.define import op
from optnas.ops.modules import ChannelsFirst
from optnas.ops.shapes import Sides, arranged, channels_of, numel, positive, sides, spatial, squared, window
from optnas.space import Node, Shape

__all__ = ["channel_shuffle", "conv", "depthwise", "sepconv", "transposed_conv", "upsample"]

_CONV: dict[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: dict[int, type[nn.Module]] = {
    1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d
}  # fmt: skip


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
    if len(shape) == 2:
        raise ValueError("it expects (channels, height, width): for (length, features) there is conv1d")
    channels, sizes = spatial(shape)
    kernels = sides(kernel, len(sizes))
    if channels % groups or width % groups:
        raise ValueError(f"groups={groups} must divide both {channels} channels and width={width}")
    margins = _same(kernels, dilation) if padding is None else (padding,) * len(sizes)
    grid = zip(sizes, kernels, margins, strict=True)
    out = (width, *(window(size, side, stride, margin, dilation) for size, side, margin in grid))
    weights = width * (channels // groups) * math.prod(kernels)
    return Cost(
        out,
        flops=2 * weights * math.prod(out[1:]),
        params=weights + (width if bias else 0),
        activations=numel(out),
        depth=1,
    )


def _same(kernels: Sequence[int], dilation: int) -> tuple[int, ...]:
    return tuple(dilation * (side - 1) // 2 for side in kernels)


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
        kernel: Side of the square kernel, or its height and width, such as (7, 1); of volumes its side,
            or its depth, height and width, such as (1, 3, 3).
        stride: Step of the kernel.
        dilation: Distance between kernel elements.
        groups: Number of groups of channels, convolved separately; must divide both widths.
        padding: Zeros on every side; the default keeps the image size for an odd kernel at stride 1.
        bias: Whether there is a bias; off by default, since a norm follows in most spaces.
    """
    channels, sizes = spatial(shape)
    margin = _same(sides(kernel, len(sizes)), dilation) if padding is None else padding
    make = _CONV[len(sizes)]
    return make(channels, channels_of(width, shape), kernel, stride, margin, dilation, groups, bias)


def _depthwise_cost(
    shape: Shape, kernel: Sides = 3, stride: int = 1, dilation: int = 1, bias: bool = False
) -> Cost:
    channels, _ = spatial(shape)
    return _conv_cost(shape, channels, kernel, stride, dilation, groups=channels, bias=bias)


@op(cost=_depthwise_cost, simplify=squared)
def depthwise(
    shape: Shape, kernel: Sides = 3, stride: int = 1, dilation: int = 1, bias: bool = False
) -> nn.Module:
    """Apply a depthwise convolution: each channel separately. Arguments as for ``conv``."""
    channels, sizes = spatial(shape)
    margin = _same(sides(kernel, len(sizes)), dilation)
    make = _CONV[len(sizes)]
    return make(channels, channels, kernel, stride, margin, dilation, groups=channels, bias=bias)


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
    channels, sizes = spatial(shape, sequences=True)
    padding, missing = _transposed_geometry(kernel, stride)
    grown = tuple((size - 1) * stride - 2 * padding + kernel + missing for size in sizes)
    if min(grown) < 1:
        whole = "×".join(map(str, sizes))
        raise ValueError(f"a window of {kernel} at stride {stride} leaves nothing of {whole}")
    out = arranged(width, grown)
    weights = channels * width * kernel ** len(sizes)
    return Cost(
        out,
        flops=2 * weights * math.prod(sizes),
        params=weights + (width if bias else 0),
        activations=numel(out),
        depth=1,
    )


@op(cost=_transposed_cost)
def transposed_conv(
    shape: Shape, width: int | str, kernel: int = 4, stride: int = 2, bias: bool = False
) -> nn.Module:
    """Apply a transposed convolution; the image becomes ``stride`` times as large (Zeiler et al. 2010).

    It also takes volumes, and sequences (length, features), which become longer.

    Args:
        width: Output channels; ``"same"`` for as many as the input has.
        kernel: Side of the square kernel over which each pixel is spread.
        stride: Factor by which the image grows.
        bias: Whether each output channel has a bias.
    """
    padding, missing = _transposed_geometry(kernel, stride)
    channels, sizes = spatial(shape, sequences=True)
    make = _TRANSPOSED[len(sizes)]
    made = make(channels, channels_of(width, shape), kernel, stride, padding, missing, bias=bias)
    return ChannelsFirst(made) if len(sizes) == 1 else made


_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def _upsample_cost(shape: Shape, scale: int = 2, kind: str = "nearest") -> Cost:
    positive(scale=scale)
    if kind not in ("nearest", "bilinear"):
        raise ValueError(f"kind={kind!r}: upsampling is 'nearest' or 'bilinear'")
    channels, sizes = spatial(shape, sequences=True)
    out = arranged(channels, tuple(size * scale for size in sizes))
    # Bilinear: a weighted sum of two neighbours in each dimension.
    functions = 0 if kind == "nearest" else 2 * 2 ** len(sizes) - 1
    return Cost(out, activations=numel(out), elementwise=functions * numel(out))


@op(cost=_upsample_cost, simplify=lambda node: None if node.arguments["scale"] == 1 else node)
def upsample(shape: Shape, scale: int = 2, kind: str = "nearest") -> nn.Module:
    """Make an image, a volume or a sequence ``scale`` times as large, without weights.

    Args:
        scale: Factor by which every side grows.
        kind: ``"nearest"`` repeats each number; ``"bilinear"`` interpolates between neighbours, linearly in
            each dimension, also of sequences and volumes.
    """
    _, sizes = spatial(shape, sequences=True)
    mode = "nearest" if kind == "nearest" else _LINEAR[len(sizes)]
    made = nn.Upsample(scale_factor=scale, mode=mode)
    return ChannelsFirst(made) if len(sizes) == 1 else made


def _shuffle_cost(shape: Shape, groups: int) -> Cost:
    positive(groups=groups)
    channels, _ = spatial(shape)
    if channels % groups:
        raise ValueError(f"groups={groups} must divide {channels} channels")
    return Cost(shape, activations=numel(shape))


@op(cost=_shuffle_cost, simplify=lambda node: None if node.arguments["groups"] == 1 else node)
def channel_shuffle(groups: int) -> nn.Module:
    """Shuffle channels between the groups of the next convolution (Zhang et al. 2018)."""
    return nn.ChannelShuffle(groups)
