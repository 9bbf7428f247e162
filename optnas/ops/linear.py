"""Matrix products, and the head that turns features into the task's outputs."""

from __future__ import annotations

from torch import nn

from optnas.cost import Cost
from optnas.ops.define import op
from optnas.ops.shapes import numel, positive
from optnas.space import Shape

__all__ = ["flatten", "head", "identity", "linear"]


def _linear_cost(shape: Shape, width: int, bias: bool = True) -> Cost:
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
def linear(in_features: int, width: int, bias: bool = True) -> nn.Module:
    """A matrix product of the last size to ``width`` features."""
    return nn.Linear(in_features, width, bias)


@op(cost=lambda shape: Cost((numel(shape),)))
def flatten() -> nn.Module:
    """All numbers of a sample in one row."""
    return nn.Flatten()


@op(cost=lambda shape: Cost(shape), simplify=lambda node: None)
def identity() -> nn.Module:
    """Nothing at all."""
    return nn.Identity()


def _head_cost(shape: Shape, outputs: int | None = None) -> Cost:
    if outputs is None:
        raise ValueError("how many outputs? write head(10), or give outputs=10 to build and cost")
    if len(shape) == 1:
        return _linear_cost(shape, outputs)
    pooled = Cost(shape[:1], activations=shape[0], elementwise=numel(shape))
    return pooled.then(_linear_cost(shape[:1], outputs))


@op(cost=_head_cost)
def head(shape: Shape, outputs: int | None = None) -> nn.Module:
    """The mean over positions, then a matrix product to the outputs.

    Args:
        outputs: How many; by default as many as the task asks for.
    """
    linear = nn.Linear(shape[0], outputs or 0)
    if len(shape) == 1:
        return linear
    pools = {2: nn.AdaptiveAvgPool1d, 3: nn.AdaptiveAvgPool2d, 4: nn.AdaptiveAvgPool3d}
    return nn.Sequential(pools[len(shape)](1), nn.Flatten(), linear)
