"""Swish and Mish with fewer passes over memory than their formulas and PyTorch's kernels need.

Training a small convolutional network on the CPU takes as long for activations as for matrix products.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

__all__ = ["FixedSwish", "Mish"]

# From here on tanh(softplus(x)) is 1 in float32; exp(x)² overflows only for much larger x.
_LARGE = 20.0


class _Swish(torch.autograd.Function):
    """Swish as silu(βx) / β; its derivative is that of silu at βx, which takes a single kernel."""

    @staticmethod
    def forward(context: Any, x: Tensor, beta: float) -> Tensor:
        scaled = x * beta
        context.save_for_backward(scaled)
        return functional.silu(scaled).mul_(1 / beta)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (scaled,) = context.saved_tensors
        return torch.ops.aten.silu_backward(gradient, scaled), None


class FixedSwish(nn.Module):
    """Swish, x·σ(βx), with a fixed β (Ramachandran et al. 2017, arXiv 1710.05941)."""

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        if abs(self.beta) < 1e-6 or not (torch.is_grad_enabled() and x.requires_grad):
            return x * torch.sigmoid(self.beta * x)
        return _Swish.apply(x, self.beta)  # type: ignore[no-any-return,no-untyped-call]

    def extra_repr(self) -> str:
        return f"beta={self.beta:g}"


class _Mish(torch.autograd.Function):
    """Mish, x·tanh(softplus(x)), with tanh(softplus(x)) = n / (n + 2), n = exp(x)·(exp(x) + 2)."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        # As few new tensors as possible: memory access costs more than this arithmetic.
        exp = x.clamp(max=_LARGE).exp_()
        gate = (exp + 2).mul_(exp)
        gate.div_(torch.add(gate, 2, out=exp))
        context.save_for_backward(x, gate)
        return torch.mul(x, gate, out=exp)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> Tensor:
        x, gate = context.saved_tensors
        # d/dx = gate + x·σ(x)·(1 - gate²)
        slope = torch.sigmoid(x).mul_(x)
        return slope.addcmul_(slope, gate * gate, value=-1).add_(gate).mul_(gradient)


class Mish(nn.Mish):
    """Mish, x·tanh(softplus(x)) (Misra 2020, arXiv 1908.08681), faster on the CPU than PyTorch's.

    PyTorch's CPU kernel computes two logarithms.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name
        if input.device.type != "cpu" or input.dtype != torch.float32:
            return super().forward(input)
        return _Mish.apply(input)  # type: ignore[no-any-return,no-untyped-call]
