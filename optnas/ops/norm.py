"""Normalisation and regularisation."""

from __future__ import annotations

from torch import nn

from optnas.cost import Cost
from optnas.ops.define import op
from optnas.ops.shapes import numel
from optnas.space import Node, Shape

__all__ = ["dropout", "norm"]


def _norm_cost(shape: Shape) -> Cost:
    _batch_norm(len(shape))
    # A scale and a shift of every number.
    return Cost(shape, params=2 * shape[0], activations=numel(shape), elementwise=2 * numel(shape))


def _batch_norm(dimensions: int) -> type[nn.Module]:
    kinds = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d, 4: nn.BatchNorm3d}
    if dimensions not in kinds:
        raise ValueError(f"no batch norm takes {dimensions} sizes")
    return kinds[dimensions]


@op(cost=_norm_cost)
def norm(shape: Shape) -> nn.Module:
    """Batch normalisation of the channels (Ioffe & Szegedy 2015)."""
    return _batch_norm(len(shape))(shape[0])


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
