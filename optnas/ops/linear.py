"""Linear layers, and the head that maps features to the task's outputs."""

from __future__ import annotations

from torch import nn

from optnas.cost import Cost
from optnas.cost.paths import kept
from optnas.ops.define import op
from optnas.ops.modules import MeanPosition
from optnas.ops.shapes import channel_axis, channels_of, numel, positive
from optnas.space import AnyShape, Shape, Shapes

__all__ = ["flatten", "head", "identity", "linear", "softmax"]


def _linear_cost(shape: Shape, width: int | str, bias: bool = True) -> Cost:
    width = channels_of(width, shape)
    positive(width=width)
    if len(shape) > 2:
        raise ValueError("it expects (features,) or (length, features): put flatten or head before it")
    rows = numel(shape[:-1])
    return Cost(
        (*shape[:-1], width),
        flops=2 * rows * shape[-1] * width,
        params=shape[-1] * width + (width if bias else 0),
        activations=rows * width,
        depth=1,
    )


@op(cost=_linear_cost)
def linear(shape: Shape, width: int | str, bias: bool = True) -> nn.Module:
    """Apply a linear layer to the last axis; ``width`` output features, ``"same"`` to keep the number."""
    return nn.Linear(shape[-1], channels_of(width, shape), bias)


@op(cost=lambda shape: Cost((numel(shape),)))
def flatten() -> nn.Module:
    """Flatten each sample to a vector."""
    return nn.Flatten()


def _identity_cost(shape: AnyShape) -> Cost:
    return Cost(shape, paths=kept(shape) if isinstance(shape, Shapes) else None)


@op(cost=_identity_cost, simplify=lambda node: None)
def identity() -> nn.Module:
    """Return the input unchanged."""
    return nn.Identity()


identity.takes_several = True


def _head_cost(shape: Shape, outputs: int | None = None) -> Cost:
    if outputs is None:
        raise ValueError(
            "how many outputs? write head(10), or give outputs=10 (a task of your own: output_shape = (10,);"
            " a study without a task: context={'outputs': 10})"
        )
    if len(shape) == 1:
        return _linear_cost(shape, outputs)
    features = shape[channel_axis(shape)]
    pooled = Cost((features,), activations=features, elementwise=numel(shape))
    return pooled.then(_linear_cost((features,), outputs))


@op(cost=_head_cost)
def head(shape: Shape, outputs: int | None = None) -> nn.Module:
    """Average over the positions of an image or a sequence, then apply a linear layer to the outputs.

    Args:
        outputs: Number of outputs; by default that of the task.
    """
    linear = nn.Linear(shape[channel_axis(shape)], outputs or 0)
    match len(shape):
        case 1:
            return linear
        case 2:
            return nn.Sequential(MeanPosition(), linear)
        case 3:
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
    return nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), linear)


def _softmax_cost(shape: Shape) -> Cost:
    return Cost(shape, activations=numel(shape), elementwise=3 * numel(shape))


@op(cost=_softmax_cost)
def softmax(shape: Shape) -> nn.Module:
    """Apply softmax over the features, or over an image's channels.

    Do not end an architecture with it: losses and metrics of classification take unnormalised scores.
    """
    return nn.Softmax(dim=1 + channel_axis(shape))
