"""Normalisation and regularisation.

Shapes are (channels, height, width), (channels, depth, height, width), (length, features) or (features,).
"""

from __future__ import annotations

from torch import nn

from optnas.cost import Cost
from optnas.ops.define import op
from optnas.ops.modules import DropPath, Positionwise
from optnas.ops.shapes import channel_axis, numel, positive, spatial
from optnas.space import Node, Shape

__all__ = ["drop_path", "dropout", "groupnorm", "instancenorm", "layernorm", "norm"]


def _norm_cost(shape: Shape) -> Cost:
    # A scale and a shift of every number.
    return Cost(
        shape,
        params=2 * shape[channel_axis(shape)],
        activations=numel(shape),
        elementwise=2 * numel(shape),
    )


def _batch_norm_cost(shape: Shape) -> Cost:
    if len(shape) > 4:
        raise ValueError(f"no batch norm takes {len(shape)} sizes")
    return _norm_cost(shape)


@op(cost=_batch_norm_cost)
def norm(shape: Shape) -> nn.Module:
    """Apply batch normalisation to the channels (Ioffe & Szegedy 2015), or to a sequence's features."""
    match len(shape):
        case 1:
            return nn.BatchNorm1d(shape[0])
        case 2:
            return Positionwise(nn.BatchNorm1d(shape[1]))
        case 3:
            return nn.BatchNorm2d(shape[0])
    return nn.BatchNorm3d(shape[0])


@op(cost=_norm_cost)
def layernorm(shape: Shape) -> nn.Module:
    """Apply layer normalisation to each position's features, or to a whole image (Ba et al. 2016)."""
    return nn.GroupNorm(1, shape[0]) if len(shape) >= 3 else nn.LayerNorm(shape[-1])


def _group_norm_cost(shape: Shape, groups: int) -> Cost:
    positive(groups=groups)
    channels = shape[channel_axis(shape)]
    if channels % groups:
        raise ValueError(f"groups={groups} must divide {channels} channels")
    return _norm_cost(shape)


@op(cost=_group_norm_cost)
def groupnorm(shape: Shape, groups: int) -> nn.Module:
    """Normalise ``groups`` groups of channels, each sample separately (Wu & He 2018)."""
    made = nn.GroupNorm(groups, shape[channel_axis(shape)])
    return Positionwise(made) if len(shape) == 2 else made


def _instance_norm_cost(shape: Shape) -> Cost:
    _, sizes = spatial(shape)
    if numel(sizes) == 1:
        raise ValueError("an image of one point has nothing to be normalised over")
    return _norm_cost(shape)


@op(cost=_instance_norm_cost)
def instancenorm(shape: Shape) -> nn.Module:
    """Normalise each channel of each image separately (Ulyanov et al. 2016)."""
    return (nn.InstanceNorm2d if len(shape) == 3 else nn.InstanceNorm3d)(shape[0], affine=True)


def _dropout_cost(shape: Shape, rate: float = 0.5) -> Cost:
    if not 0 <= rate < 1:
        raise ValueError(f"rate={rate!r} must be at least 0 and below 1")
    return Cost(shape, activations=numel(shape), elementwise=numel(shape))


def _no_dropout(node: Node) -> Node | None:
    return None if node.arguments["rate"] == 0 else node


@op(cost=_dropout_cost, simplify=_no_dropout)
def dropout(rate: float = 0.5) -> nn.Module:
    """Zero each number with probability ``rate`` during training (Srivastava et al. 2014)."""
    return nn.Dropout(rate)


@op(cost=_dropout_cost, simplify=_no_dropout)
def drop_path(rate: float = 0.1) -> nn.Module:
    """Zero whole samples with probability ``rate`` during training (Huang et al. 2016).

    At the end of a residual's body, this is stochastic depth.
    """
    return DropPath(rate)
