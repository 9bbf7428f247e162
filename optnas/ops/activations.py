"""Activation functions, applied elementwise to inputs of any shape.

Those without constants in their formula (``relu``, ``tanh``, …) can also be applied to other
functions: ``tanh(mul(x, x))``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from optnas.cost import Cost
from optnas.ops.define import op
from optnas.ops.modules import Applied
from optnas.ops.pointwise import pointwise
from optnas.ops.shapes import channel_axis, numel
from optnas.ops.swish_mish import FixedSwish, Mish
from optnas.space import Node, Shape

__all__ = [
    "celu",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "shifted_swish",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]

relu = pointwise("relu", torch.relu, "max(x, 0).", module=nn.ReLU)
relu6 = pointwise("relu6", functional.relu6, "x kept between 0 and 6.", module=nn.ReLU6, functions=2)
sigmoid = pointwise("sigmoid", torch.sigmoid, "σ(x) = 1 / (1 + exp(-x)).", module=nn.Sigmoid)
tanh = pointwise("tanh", torch.tanh, "The hyperbolic tangent.", module=nn.Tanh)
softplus = pointwise("softplus", functional.softplus, "log(1 + exp(x)).", module=nn.Softplus, functions=3)
softsign = pointwise("softsign", functional.softsign, "x / (1 + |x|).", module=nn.Softsign, functions=3)
selu = pointwise(
    "selu", functional.selu, "ELU scaled to normalise itself (Klambauer et al. 2017).", module=nn.SELU,
    functions=3,
)  # fmt: skip
gelu = pointwise(
    "gelu", functional.gelu, "x·Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016).",
    module=nn.GELU, functions=4,
)  # fmt: skip
silu = pointwise(
    "silu", functional.silu, "x·σ(x) (Elfwing et al. 2017).", module=nn.SiLU, functions=2,
    simplify=lambda node: _plain_swish(),
)  # fmt: skip
mish = pointwise("mish", functional.mish, "x·tanh(softplus(x)) (Misra 2020).", module=Mish, functions=3)
hardsigmoid = pointwise(
    "hardsigmoid", functional.hardsigmoid, "relu6(x + 3) / 6 (Howard et al. 2019).",
    module=nn.Hardsigmoid, functions=3,
)  # fmt: skip
hardswish = pointwise(
    "hardswish", functional.hardswish, "x·relu6(x + 3) / 6 (Howard et al. 2019).",
    module=nn.Hardswish, functions=4,
)  # fmt: skip
hardtanh = pointwise("hardtanh", functional.hardtanh, "x kept within ±1.", module=nn.Hardtanh, functions=2)


def _applies(functions: int, constants: int = 0) -> Callable[..., Cost]:
    """Return a cost function for ``functions`` arithmetic functions with ``constants`` parameters."""

    def cost(shape: Shape, learnable: bool = False, **arguments: Any) -> Cost:
        total = numel(shape)
        learned = constants if learnable else 0
        return Cost(shape, params=learned, activations=total, elementwise=functions * total)

    return cost


@op(cost=_applies(2, 1))
def leaky_relu(slope: float = 0.01, learnable: bool = False) -> nn.Module:
    """Return x if x > 0, else ``slope``·x (Maas et al. 2013).

    Args:
        slope: The slope for x < 0.
        learnable: Whether the slope is learned, starting from ``slope``.
    """
    if learnable:
        return Applied(_leaky, {"slope": slope}, learnable=True)
    return nn.LeakyReLU(slope)


def _leaky(of: Tensor, slope: Tensor) -> Tensor:
    return of.clamp(min=0) + slope * of.clamp(max=0)


@op(cost=_applies(3, 1))
def elu(alpha: float = 1.0, learnable: bool = False) -> nn.Module:
    """Return x if x > 0, else ``alpha``·(exp(x) - 1) (Clevert et al. 2016)."""
    if learnable:
        return Applied(_exponential_linear, {"alpha": alpha}, learnable=True)
    return nn.ELU(alpha)


def _exponential_linear(of: Tensor, alpha: Tensor) -> Tensor:
    # Clamped before expm1: for large positive x it would be inf, and inf·0 is not a number.
    return of.clamp(min=0) + alpha * of.clamp(max=0).expm1()


def _celu_cost(shape: Shape, alpha: float = 1.0, learnable: bool = False) -> Cost:
    if alpha == 0:
        raise ValueError("alpha must not be 0")
    return _applies(4, 1)(shape, learnable)


@op(cost=_celu_cost)
def celu(alpha: float = 1.0, learnable: bool = False) -> nn.Module:
    """Return x if x > 0, else ``alpha``·(exp(x/``alpha``) - 1) (Barron 2017)."""
    if learnable:
        return Applied(_continuous_elu, {"alpha": alpha}, learnable=True)
    return nn.CELU(alpha)


def _continuous_elu(of: Tensor, alpha: Tensor) -> Tensor:
    # Kept away from 0, a pole of the quotient that training might reach.
    alpha = torch.where(alpha.abs() < 1e-3, alpha.sign() * 1e-3 + 1e-6, alpha)
    return of.clamp(min=0) + alpha * (of.clamp(max=0) / alpha).clamp(max=0).expm1()


def _prelu_cost(shape: Shape, slope: float = 0.25, per_channel: bool = False) -> Cost:
    total = numel(shape)
    return Cost(
        shape,
        params=shape[channel_axis(shape)] if per_channel else 1,
        activations=total,
        elementwise=2 * total,
    )


@op(cost=_prelu_cost)
def prelu(shape: Shape, slope: float = 0.25, per_channel: bool = False) -> nn.Module:
    """Return x if x > 0, else x times a learned slope (He et al. 2015).

    Args:
        slope: Initial value of the slope.
        per_channel: Whether each channel learns its own slope.
    """
    if not per_channel:
        return nn.PReLU(1, slope)
    return nn.PReLU(shape[channel_axis(shape)], slope) if len(shape) != 2 else _FeaturePReLU(shape[1], slope)


class _FeaturePReLU(nn.PReLU):
    """PReLU with one slope per feature, for inputs of (batch, length, features)."""

    def forward(self, of: Tensor) -> Tensor:
        return _leaky(of, self.weight)


@op(cost=_applies(3, 1))
def swish(beta: float = 1.0, learnable: bool = False) -> nn.Module:
    """Return x·σ(``beta``·x) (Ramachandran et al. 2017, arXiv 1710.05941).

    Args:
        beta: Sharpness of the gate.
        learnable: Whether ``beta`` is learned, starting from this value.
    """
    if learnable:
        return Applied(_swish, {"beta": beta}, learnable=True)
    return nn.SiLU() if beta == 1.0 else FixedSwish(beta)


def _swish(of: Tensor, beta: Tensor) -> Tensor:
    return of * torch.sigmoid(beta * of)


def _plain_swish() -> Node:
    return swish()


def _without_shift(node: Node) -> Node:
    arguments = node.arguments
    if arguments["shift"] == 0 and not arguments["learnable"]:
        return swish(beta=arguments["beta"])
    return node


@op(cost=_applies(4, 2), simplify=_without_shift)
def shifted_swish(beta: float = 1.0, shift: float = 0.0, learnable: bool = False) -> nn.Module:
    """Return x·σ(``beta``·x + ``shift``): Swish with a gate that may open early or late.

    Args:
        beta: Sharpness of the gate, β₁.
        shift: Shift of the gate, β₂, which sets how far it is open at 0.
        learnable: Whether both are learned, starting from these values.
    """
    return Applied(_shifted_swish, {"beta": beta, "shift": shift}, learnable=learnable)


def _shifted_swish(of: Tensor, beta: Any, shift: Any) -> Tensor:
    return of * torch.sigmoid(beta * of + shift)
