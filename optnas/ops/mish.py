"""Mish, several times faster on the CPU than PyTorch's own kernel, which computes two logarithms."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Mish"]

# Beyond this tanh(softplus(x)) is 1 in float32, and exp(x)² would overflow much later.
_LARGE = 20.0


class _Mish(torch.autograd.Function):
    """x·tanh(softplus(x)) with tanh(softplus(x)) = n / (n + 2), n = exp(x)·(exp(x) + 2)."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        exp = x.clamp(max=_LARGE).exp_()
        gate = torch.addcmul(2 * exp, exp, exp)
        gate.div_(gate + 2)
        context.save_for_backward(x, gate)
        return x * gate

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        x, gate = context.saved_tensors
        # d/dx = gate + x·σ(x)·(1 - gate²)
        slope = torch.sigmoid(x).mul_(x)
        return slope.addcmul_(slope, gate * gate, value=-1).add_(gate).mul_(gradient)


class Mish(nn.Mish):
    """x·tanh(softplus(x)) (Misra 2020, arXiv 1908.08681)."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name
        if input.device.type != "cpu" or input.dtype != torch.float32:
            return super().forward(input)
        return _Mish.apply(input)  # type: ignore[no-any-return,no-untyped-call]
