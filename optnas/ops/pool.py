"""Pooling over images. Shapes are (channels, height, width)."""

from __future__ import annotations

from torch import nn

from optnas.cost import Cost
from optnas.ops.define import op
from optnas.ops.shapes import Sides, image, numel, positive, sides, squared, window
from optnas.space import Node, Shape

__all__ = [
    "adaptive_avgpool",
    "adaptive_maxpool",
    "avgpool",
    "global_avgpool",
    "global_maxpool",
    "maxpool",
]


def _pool_cost(shape: Shape, kernel: Sides = 2, stride: int | None = None) -> Cost:
    (down, across), (channels, height, width) = sides(kernel), image(shape)
    steps, padding = _geometry(kernel, stride)
    out = (
        channels,
        window(height, down, steps[0], padding[0]),
        window(width, across, steps[1], padding[1]),
    )
    return Cost(out, activations=numel(out), elementwise=down * across * numel(out))


def _geometry(kernel: Sides, stride: int | None) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return strides and paddings: half a kernel of padding if the windows overlap, else none."""
    if stride is not None:
        positive(stride=stride)
    down, across = sides(kernel)
    steps = (down, across) if stride is None else (stride, stride)
    return steps, (0 if steps[0] >= down else down // 2, 0 if steps[1] >= across else across // 2)


def _no_pool(node: Node) -> Node | None:
    node = squared(node)
    arguments = node.arguments
    return None if arguments["kernel"] == 1 and arguments["stride"] in (None, 1) else node


@op(cost=_pool_cost, simplify=_no_pool)
def maxpool(kernel: Sides, stride: int | None = None) -> nn.Module:
    """Take the maximum of each window.

    Args:
        kernel: Side of the square window, or its height and width, such as (2, 1).
        stride: Step of the window; by default ``kernel``. If windows overlap, half a kernel of
            padding is added, so that an odd kernel at stride 1 keeps the image size.
    """
    return nn.MaxPool2d(kernel, *_geometry(kernel, stride))


@op(cost=_pool_cost, simplify=_no_pool)
def avgpool(kernel: Sides, stride: int | None = None) -> nn.Module:
    """Take the mean of each window, excluding the padding. Arguments as for ``maxpool``."""
    return nn.AvgPool2d(kernel, *_geometry(kernel, stride), count_include_pad=False)


def _global_cost(shape: Shape) -> Cost:
    channels, _, _ = image(shape)
    return Cost((channels,), activations=channels, elementwise=numel(shape))


@op(cost=_global_cost)
def global_avgpool() -> nn.Module:
    """Take the mean of each channel: (channels,)."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


@op(cost=_global_cost)
def global_maxpool() -> nn.Module:
    """Take the maximum of each channel: (channels,)."""
    return nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())


def _adaptive_cost(shape: Shape, size: int) -> Cost:
    positive(size=size)
    channels, height, width = image(shape)
    # Output i covers floor(i·H/s) to ceil((i+1)·H/s): the windows may overlap.
    down, across = (
        sum(-(-(i + 1) * n // size) - i * n // size for i in range(size)) for n in (height, width)
    )
    out = (channels, size, size)
    return Cost(out, activations=numel(out), elementwise=channels * down * across)


@op(cost=_adaptive_cost)
def adaptive_avgpool(size: int) -> nn.Module:
    """Resize the image to ``size`` × ``size`` by the mean of each window."""
    return nn.AdaptiveAvgPool2d(size)


@op(cost=_adaptive_cost)
def adaptive_maxpool(size: int) -> nn.Module:
    """Resize the image to ``size`` × ``size`` by the maximum of each window."""
    return nn.AdaptiveMaxPool2d(size)
