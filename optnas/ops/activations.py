"""Activations: functions applied to every number, of any shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from optnas.cost import Cost
from optnas.ops.define import op
from optnas.ops.modules import Swish
from optnas.ops.shapes import numel
from optnas.space import Shape

__all__ = ["elu", "gelu", "leaky_relu", "mish", "relu", "sigmoid", "swish", "tanh"]


def _applies(functions: int) -> Callable[..., Cost]:
    """Return the cost of applying ``functions`` arithmetic functions to every number."""

    def cost(shape: Shape, **arguments: Any) -> Cost:
        return Cost(shape, activations=numel(shape), elementwise=functions * numel(shape))

    return cost


@op(cost=_applies(1))
def relu() -> nn.Module:
    """max(x, 0)."""
    return nn.ReLU()


@op(cost=_applies(2))
def leaky_relu(slope: float = 0.01) -> nn.Module:
    """x where positive, ``slope``·x elsewhere."""
    return nn.LeakyReLU(slope)


@op(cost=_applies(3))
def elu(alpha: float = 1.0) -> nn.Module:
    """x where positive, ``alpha``·(exp(x) - 1) elsewhere (Clevert et al. 2016)."""
    return nn.ELU(alpha)


@op(cost=_applies(4))
def gelu() -> nn.Module:
    """x·Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016)."""
    return nn.GELU()


@op(cost=_applies(1))
def sigmoid() -> nn.Module:
    """1 / (1 + exp(-x))."""
    return nn.Sigmoid()


@op(cost=_applies(1))
def tanh() -> nn.Module:
    """The hyperbolic tangent."""
    return nn.Tanh()


@op(cost=_applies(3))
def mish() -> nn.Module:
    """x·tanh(softplus(x)) (Misra 2020)."""
    return nn.Mish()


@op(cost=_applies(3))
def swish(beta: float = 1.0) -> nn.Module:
    """x·sigmoid(``beta``·x) (Ramachandran et al. 2017)."""
    return Swish(beta)
