"""Pooling over images, volumes and sequences.

Shapes are (channels, height, width), (channels, depth, height, width) or (length, features).
"""

from __future__ import annotations

import math

from torch import nn

from optnas.cost import Cost
from optnas.ops.define import op
from optnas.ops.modules import ChannelsFirst, MeanPosition
from optnas.ops.shapes import Sides, arranged, numel, positive, sides, spatial, squared, window
from optnas.space import Node, Shape

__all__ = [
    "adaptive_avgpool",
    "adaptive_maxpool",
    "avgpool",
    "global_avgpool",
    "global_maxpool",
    "maxpool",
]

_MAX: dict[int, type[nn.Module]] = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_MEAN: dict[int, type[nn.Module]] = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_ADAPTIVE_MAX: dict[int, type[nn.Module]] = {
    1: nn.AdaptiveMaxPool1d, 2: nn.AdaptiveMaxPool2d, 3: nn.AdaptiveMaxPool3d
}  # fmt: skip
_ADAPTIVE_MEAN: dict[int, type[nn.Module]] = {
    1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d
}  # fmt: skip


def _pool_cost(shape: Shape, kernel: Sides = 2, stride: int | None = None) -> Cost:
    channels, sizes = spatial(shape, sequences=True)
    kernels = sides(kernel, len(sizes))
    steps, padding = _geometry(kernels, stride)
    grid = zip(sizes, kernels, steps, padding, strict=True)
    out = arranged(channels, tuple(window(size, side, step, pad) for size, side, step, pad in grid))
    return Cost(out, activations=numel(out), elementwise=math.prod(kernels) * numel(out))


def _geometry(kernels: tuple[int, ...], stride: int | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return strides and paddings: half a kernel of padding if the windows overlap, else none."""
    if stride is not None:
        positive(stride=stride)
    steps = kernels if stride is None else (stride,) * len(kernels)
    return steps, tuple(0 if step >= side else side // 2 for step, side in zip(steps, kernels, strict=True))


def _no_pool(node: Node) -> Node | None:
    node = squared(node)
    arguments = node.arguments
    return None if arguments["kernel"] == 1 and arguments["stride"] in (None, 1) else node


@op(cost=_pool_cost, simplify=_no_pool)
def maxpool(shape: Shape, kernel: Sides, stride: int | None = None) -> nn.Module:
    """Take the maximum of each window.

    Args:
        kernel: Side of the square window, or its height and width, such as (2, 1); of a volume its side, or
            its depth, height and width; of a sequence its length.
        stride: Step of the window; by default ``kernel``. If windows overlap, half a kernel of
            padding is added, so that an odd kernel at stride 1 keeps the image size.
    """
    dims = len(spatial(shape, sequences=True)[1])
    return _over(dims, _MAX[dims](kernel, *_geometry(sides(kernel, dims), stride)))


@op(cost=_pool_cost, simplify=_no_pool)
def avgpool(shape: Shape, kernel: Sides, stride: int | None = None) -> nn.Module:
    """Take the mean of each window, excluding the padding. Arguments as for ``maxpool``."""
    dims = len(spatial(shape, sequences=True)[1])
    geometry = _geometry(sides(kernel, dims), stride)
    return _over(dims, _MEAN[dims](kernel, *geometry, count_include_pad=False))


def _over(dims: int, module: nn.Module) -> nn.Module:
    return ChannelsFirst(module) if dims == 1 else module


def _global_cost(shape: Shape) -> Cost:
    channels, _ = spatial(shape, sequences=True)
    return Cost((channels,), activations=channels, elementwise=numel(shape))


@op(cost=_global_cost)
def global_avgpool(shape: Shape) -> nn.Module:
    """Take the mean of each channel: (channels,)."""
    if len(shape) == 2:
        return MeanPosition()
    return nn.Sequential(_ADAPTIVE_MEAN[len(shape) - 1](1), nn.Flatten())


@op(cost=_global_cost)
def global_maxpool(shape: Shape) -> nn.Module:
    """Take the maximum of each channel: (channels,)."""
    dims = len(spatial(shape, sequences=True)[1])
    return nn.Sequential(_over(dims, _ADAPTIVE_MAX[dims](1)), nn.Flatten())


def _adaptive_cost(shape: Shape, size: int) -> Cost:
    positive(size=size)
    channels, sizes = spatial(shape, sequences=True)
    # Output i covers floor(i·n/s) to ceil((i+1)·n/s): the windows may overlap.
    covered = (sum(-(-(i + 1) * n // size) - i * n // size for i in range(size)) for n in sizes)
    out = arranged(channels, (size,) * len(sizes))
    return Cost(out, activations=numel(out), elementwise=channels * math.prod(covered))


@op(cost=_adaptive_cost)
def adaptive_avgpool(shape: Shape, size: int) -> nn.Module:
    """Resize the image to ``size`` × ``size`` by the mean of each window."""
    dims = len(spatial(shape, sequences=True)[1])
    return _over(dims, _ADAPTIVE_MEAN[dims](size))


@op(cost=_adaptive_cost)
def adaptive_maxpool(shape: Shape, size: int) -> nn.Module:
    """Resize the image to ``size`` × ``size`` by the maximum of each window."""
    dims = len(spatial(shape, sequences=True)[1])
    return _over(dims, _ADAPTIVE_MAX[dims](size))
