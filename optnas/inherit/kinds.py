"""Kinds of layers without weights: what they do to channels, and which are the same function."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from torch import nn

from optnas.ops.expressions import Expression
from optnas.ops.modules import Applied, DropPath, Function, MeanPosition
from optnas.ops.pointwise import Pointwise
from optnas.ops.sequence_modules import Sinusoids
from optnas.ops.swish_mish import FixedSwish

__all__ = ["bounds_after", "does_nothing", "is_channelwise", "is_norm", "is_pool", "passes", "same_function"]

_POOLS = (
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d,
    nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d, MeanPosition,
)  # fmt: skip
_ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid,
    nn.Tanh, nn.Softplus, nn.Softsign, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.LogSigmoid,
    nn.Tanhshrink, nn.PReLU, FixedSwish, Expression, nn.Upsample,
)  # fmt: skip
_AT_LEAST_ZERO = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Hardsigmoid, nn.Softplus)
_AT_MOST_SIX = (nn.ReLU6, nn.Sigmoid, nn.Hardsigmoid, nn.Tanh)
# These pass on what is not negative.
_LINEAR_ABOVE_ZERO = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.CELU, nn.PReLU)


def does_nothing(module: nn.Module) -> bool:
    """Return whether a layer returns its input in evaluation mode."""
    return isinstance(module, nn.Identity | nn.modules.dropout._DropoutNd | DropPath)


def is_pool(module: nn.Module) -> bool:
    """Return whether a layer takes means or maxima of each channel."""
    return isinstance(module, _POOLS)


def is_norm(module: nn.Module) -> bool:
    """Return whether a layer normalises, and keeps the channels."""
    return isinstance(module, nn.modules.batchnorm._NormBase | nn.LayerNorm | nn.GroupNorm)


def is_channelwise(module: nn.Module) -> bool:
    """Return whether a layer computes each channel from that channel alone, all by the same function."""
    pointwise = isinstance(module, Applied) and isinstance(module.op, Pointwise)
    return pointwise or is_pool(module) or isinstance(module, _ACTIVATIONS)


def passes(module: nn.Module, at_least_zero: bool, at_most_six: bool) -> bool:
    """Return whether an activation returns an input with these bounds as it is."""
    if type(module) is nn.ReLU6:
        return at_least_zero and at_most_six
    return at_least_zero and isinstance(module, _LINEAR_ABOVE_ZERO)


def bounds_after(module: nn.Module, at_least_zero: bool, at_most_six: bool) -> tuple[bool, bool]:
    """Return whether what a layer returns is at least 0, and at most 6, of an input with these bounds."""
    if is_pool(module):
        return at_least_zero, at_most_six
    relu = isinstance(module, nn.ReLU)
    return isinstance(module, _AT_LEAST_ZERO), isinstance(module, _AT_MOST_SIX) or (relu and at_most_six)


def same_function(module: nn.Module) -> Hashable:
    """Return what is equal for two layers without weights only if they compute the same function."""
    if any(True for _ in module.buffers()) and not isinstance(module, Sinusoids):
        return id(module)  # what stands in a buffer may differ
    called: tuple[Hashable, ...] = ()
    if isinstance(module, Applied | Function):
        called = (id(module.op or module.function),)
    return (type(module), *called, _settings(module), tuple(map(same_function, module.children())))


def _settings(module: nn.Module) -> tuple[tuple[str, str], ...]:
    own = ("training", "function", "op")
    plainly: dict[str, Any] = {
        name: value for name, value in vars(module).items() if not name.startswith("_") and name not in own
    }
    sizes = {name: tuple(buffer.shape) for name, buffer in module.named_buffers(recurse=False)}
    return tuple(sorted((name, repr(value)) for name, value in {**plainly, **sizes}.items()))
