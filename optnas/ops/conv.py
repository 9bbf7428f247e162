"""Convolutions over images. Shapes are (channels, height, width)."""

from __future__ import annotations

from torch import nn

from optnas.cost import Cost
from optnas.ops.containers import seq
from optnas.ops.define import op
from optnas.ops.shapes import image, numel, positive, window
from optnas.space import Node, Shape

__all__ = ["conv", "depthwise", "sepconv"]


def _conv_cost(
    shape: Shape,
    width: int,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: int | None = None,
    bias: bool = False,
) -> Cost:
    positive(width=width, kernel=kernel, stride=stride, dilation=dilation, groups=groups)
    channels, height, wide = image(shape)
    if channels % groups or width % groups:
        raise ValueError(f"groups={groups} must divide both {channels} channels and width={width}")
    padding = _same(kernel, dilation) if padding is None else padding
    out = (
        width,
        window(height, kernel, stride, padding, dilation),
        window(wide, kernel, stride, padding, dilation),
    )
    weights = width * (channels // groups) * kernel * kernel
    return Cost(
        out,
        flops=2 * weights * out[1] * out[2],
        params=weights + (width if bias else 0),
        activations=numel(out),
        depth=1,
    )


def _same(kernel: int, dilation: int) -> int:
    return dilation * (kernel - 1) // 2


@op(cost=_conv_cost)
def conv(
    shape: Shape,
    width: int,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: int | None = None,
    bias: bool = False,
) -> nn.Module:
    """A convolution to ``width`` channels.

    Args:
        width: Output channels.
        kernel: Side of the square window.
        stride: Step of the window.
        dilation: Distance between the window's points.
        groups: In how many separate groups channels are combined; must divide both widths.
        padding: Zeros on every side; by default as many as keep the size of an odd kernel at stride 1.
        bias: Off by default, since a norm follows in most spaces.
    """
    padding = _same(kernel, dilation) if padding is None else padding
    return nn.Conv2d(shape[0], width, kernel, stride, padding, dilation, groups, bias)


def _depthwise_cost(
    shape: Shape, kernel: int = 3, stride: int = 1, dilation: int = 1, bias: bool = False
) -> Cost:
    channels, _, _ = image(shape)
    return _conv_cost(shape, channels, kernel, stride, dilation, groups=channels, bias=bias)


@op(cost=_depthwise_cost)
def depthwise(
    shape: Shape, kernel: int = 3, stride: int = 1, dilation: int = 1, bias: bool = False
) -> nn.Module:
    """A convolution of each channel by itself. Arguments as for ``conv``."""
    channels, _, _ = image(shape)
    return nn.Conv2d(
        channels, channels, kernel, stride, _same(kernel, dilation), dilation, groups=channels, bias=bias
    )


@op
def sepconv(width: int, kernel: int = 3, stride: int = 1, dilation: int = 1, bias: bool = False) -> Node:
    """A separable convolution: each channel by itself, then all of them point by point (Chollet 2017)."""
    return seq(depthwise(kernel, stride, dilation), conv(width, kernel=1, bias=bias))
