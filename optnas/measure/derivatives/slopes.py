"""Lipschitz constants of single layers that are not linear, in the Euclidean norm."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from optnas.ops import activations
from optnas.ops.activations import _FeaturePReLU
from optnas.ops.modules import Applied
from optnas.ops.sequence_modules import States
from optnas.ops.swish_mish import FixedSwish, Mish

__all__ = ["lipschitz_of_layer"]

# Largest absolute slopes, rounded up.
_SILU, _MISH, _GELU = 1.0999, 1.0886, 1.1290
_SELU = 1.0507009873554805 * 1.6732632423543772
_SINC = 0.4363


def _elu(alpha: float) -> float:
    return max(1.0, abs(alpha))


def _celu(alpha: float) -> float:
    return 1.0 if alpha > 0 else math.inf


def _shifted_swish(shift: float) -> float:
    """Return the largest |σ(u) + (u - shift)·σ'(u)|, at most 1e-3·(1 + |shift|) too large."""
    ends = 40 + abs(shift)
    u = torch.arange(-ends, ends, 1e-3, dtype=torch.float64)
    gate = u.sigmoid()
    slopes = gate + (u - shift) * gate * (1 - gate)
    # Half a step times the largest curvature, |2σ' + (u - shift)·σ''| ≤ 0.9 + |shift| / 10.
    return float(slopes.abs().max()) + 0.5e-3 * (0.9 + 0.1 * abs(shift))


def _max_pool(layer: Any, dims: int) -> float:
    """Return the root of the number of windows that one number is in."""
    kernels, strides = (
        [each] * dims if isinstance(each, int) else list(each) for each in (layer.kernel_size, layer.stride)
    )
    dilated = not (layer.dilation == 1 or all(each == 1 for each in _listed(layer.dilation)))
    windows = [
        kernel if dilated else -(-kernel // step) for kernel, step in zip(kernels, strides, strict=True)
    ]
    return math.sqrt(math.prod(windows))


def _listed(value: Any) -> list[int]:
    return [value] if isinstance(value, int) else list(value)


def _adaptive_max_pool(layer: Any, x: Tensor, dims: int) -> float:
    sizes = x.shape[-dims:]
    wanted = [layer.output_size] * dims if isinstance(layer.output_size, int) else list(layer.output_size)
    return math.sqrt(math.prod(_windows(size, out) for size, out in zip(sizes, wanted, strict=True)))


def _windows(size: int, out: int) -> int:
    """Return the most windows of an adaptive pooling that one position is in."""
    counts = [0] * size
    for i in range(out):
        for position in range(i * size // out, -(-(i + 1) * size // out)):
            counts[position] += 1
    return max(counts)


def _normalised(layer: Any) -> float:
    # The Jacobian of x / √(var + ε) about the mean is a projection over a root of at least √ε.
    scale = 1.0 if layer.weight is None else float(layer.weight.detach().abs().max())
    return scale / math.sqrt(layer.eps)


def _recurrent(layer: nn.RNNBase, length: int) -> float:
    """Return the product over layers of ‖W‖·Σ‖U‖ᵗ over ``length`` steps, of h ← tanh(Wx + Uh + b)."""
    total = 1.0
    for number in range(layer.num_layers):
        ways = []
        for which in ["", "_reverse"] if layer.bidirectional else [""]:
            of_input, of_state = (
                float(torch.linalg.matrix_norm(getattr(layer, f"weight_{what}_l{number}{which}").detach(), 2))
                for what in ("ih", "hh")
            )
            ways.append(of_input * sum(of_state**step for step in range(length)))
        total *= math.hypot(*ways)
    return total * (1 + 1e-10)


_CONSTANTS: dict[type[nn.Module], Callable[[Any, Tensor], float]] = {
    nn.ReLU: lambda layer, x: 1.0,
    nn.ReLU6: lambda layer, x: 1.0,
    nn.Sigmoid: lambda layer, x: 0.25,
    nn.Tanh: lambda layer, x: 1.0,
    nn.Softplus: lambda layer, x: 1.0,
    nn.Softsign: lambda layer, x: 1.0,
    nn.SELU: lambda layer, x: _SELU,
    nn.GELU: lambda layer, x: _GELU,
    nn.SiLU: lambda layer, x: _SILU,
    FixedSwish: lambda layer, x: _SILU,  # β scales the argument and, by 1/β, the value
    nn.Mish: lambda layer, x: _MISH,
    Mish: lambda layer, x: _MISH,
    nn.Hardsigmoid: lambda layer, x: 0.16666668,  # PyTorch has the sixth in float32
    nn.Hardswish: lambda layer, x: 1.5,
    nn.Hardtanh: lambda layer, x: 1.0,
    nn.LeakyReLU: lambda layer, x: max(1.0, abs(layer.negative_slope)),
    nn.ELU: lambda layer, x: _elu(layer.alpha),
    nn.CELU: lambda layer, x: _celu(layer.alpha),
    nn.PReLU: lambda layer, x: max(1.0, float(layer.weight.detach().abs().max())),
    _FeaturePReLU: lambda layer, x: max(1.0, float(layer.weight.detach().abs().max())),
    # Its Jacobian diag(p) - ppᵀ has row sums of absolute values 2p(1 - p).
    nn.Softmax: lambda layer, x: 0.5,
    nn.MaxPool1d: lambda layer, x: _max_pool(layer, 1),
    nn.MaxPool2d: lambda layer, x: _max_pool(layer, 2),
    nn.MaxPool3d: lambda layer, x: _max_pool(layer, 3),
    nn.AdaptiveMaxPool1d: lambda layer, x: _adaptive_max_pool(layer, x, 1),
    nn.AdaptiveMaxPool2d: lambda layer, x: _adaptive_max_pool(layer, x, 2),
    nn.AdaptiveMaxPool3d: lambda layer, x: _adaptive_max_pool(layer, x, 3),
    nn.LayerNorm: lambda layer, x: _normalised(layer),
    nn.GroupNorm: lambda layer, x: _normalised(layer),
    nn.InstanceNorm2d: lambda layer, x: _normalised(layer),
    nn.InstanceNorm3d: lambda layer, x: _normalised(layer),
}

# By the names of the functions of optnas.ops.activations, as the export to plain PyTorch goes by them, too.
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "_leaky": lambda slope: max(1.0, abs(slope)),
    "_exponential_linear": _elu,
    "_continuous_elu": lambda alpha: 1.0,  # its negative side is 0 for a negative α
    "_swish": lambda beta: _SILU,
    "_shifted_swish": lambda beta, shift: _shifted_swish(shift),
}

_NAMED: dict[str, Callable[..., float]] = {
    "x": lambda: 1.0,
    "negative": lambda: 1.0,
    "absolute": lambda: 1.0,
    "negative_part": lambda: 1.0,
    "sqrt": lambda: 0.5 / math.sqrt(1e-3),
    "log": lambda: 1e3,
    "sin": lambda: 1.0,
    "cos": lambda: 1.0,
    "asinh": lambda: 1.0,
    "atan": lambda: 1.0,
    "sinc": lambda: _SINC,
    "erf": lambda: 2 / math.sqrt(math.pi),
    "gaussian": lambda: math.sqrt(2 / math.e),
    "scale": lambda factor: abs(factor),
    "shift": lambda by: 1.0,
    "constant": lambda value: 0.0,
}


def lipschitz_of_layer(layer: nn.Module, x: Tensor) -> float | None:
    """Return a Lipschitz constant of ``layer`` in evaluation mode; infinite or ``None`` if none is known.

    Args:
        layer: A layer of one tensor.
        x: A sample of its input, whose shape counts.
    """
    kind = type(layer)
    if kind in _CONSTANTS:
        return _CONSTANTS[kind](layer, x)
    if isinstance(layer, States) and type(layer.recurrent) is nn.RNN:
        return _recurrent(layer.recurrent, x.shape[1])
    if isinstance(layer, Applied):
        constants = layer.constants | {name: float(value.detach()) for name, value in layer.learned.items()}
        if layer.op is not None:
            known = _NAMED.get(layer.op.name)
        else:
            own = layer.function.__module__ == activations.__name__
            known = _FUNCTIONS.get(layer.function.__name__) if own else None
        return None if known is None else known(**constants)
    return None
