"""Pooling over images. Shapes are (channels, height, width)."""

from __future__ import annotations

from torch import nn

from optnas.cost import Cost
from optnas.ops.define import op
from optnas.ops.shapes import image, numel, positive, window
from optnas.space import Node, Shape

__all__ = [
    "adaptive_avgpool",
    "adaptive_maxpool",
    "avgpool",
    "global_avgpool",
    "global_maxpool",
    "maxpool",
]


def _pool_cost(shape: Shape, kernel: int = 2, stride: int | None = None) -> Cost:
    positive(kernel=kernel, stride=kernel if stride is None else stride)
    channels, height, width = image(shape)
    stride, padding = _geometry(kernel, stride)
    out = (channels, window(height, kernel, stride, padding), window(width, kernel, stride, padding))
    return Cost(out, activations=numel(out), elementwise=kernel * kernel * numel(out))


def _geometry(kernel: int, stride: int | None) -> tuple[int, int]:
    """Return stride and padding: half a kernel of padding if the windows overlap, else none."""
    stride = kernel if stride is None else stride
    return stride, 0 if stride >= kernel else kernel // 2


def _no_pool(node: Node) -> Node | None:
    arguments = node.arguments
    return None if arguments["kernel"] == 1 and arguments["stride"] in (None, 1) else node


@op(cost=_pool_cost, simplify=_no_pool)
def maxpool(kernel: int, stride: int | None = None) -> nn.Module:
    """Take the maximum of each ``kernel`` × ``kernel`` window.

    Args:
        kernel: Side of the square window.
        stride: Step of the window; by default ``kernel``. If windows overlap, half a kernel of
            padding is added, so that an odd kernel at stride 1 keeps the image size.
    """
    return nn.MaxPool2d(kernel, *_geometry(kernel, stride))


@op(cost=_pool_cost, simplify=_no_pool)
def avgpool(kernel: int, stride: int | None = None) -> nn.Module:
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
