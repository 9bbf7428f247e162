"""Faster training of GRUs and simple RNNs on the CPU.

For these layers PyTorch records every operation of every step for autograd, and computes the gradient of
the weights step by step. Here the inputs' contributions, and likewise all gradients of weights, are one
matrix product for all steps. A step of the backward pass is two or three operations, as the factors that do
not depend on the gradient are computed for all steps at once. LSTMs have a kernel of oneDNN's and keep it.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from optnas.ops.sequence_modules import States
from optnas.train.replaced_forwards import Forward, replaced_forwards

__all__ = ["faster_recurrence"]


def faster_recurrence(module: nn.Module, device: str) -> contextlib.AbstractContextManager[None]:
    """Train the GRUs and simple RNNs of ``module`` faster inside this context.

    Args:
        module: The network.
        device: The type of the network's device; only ``"cpu"`` changes anything.
    """

    def choose(layer: nn.Module) -> Forward | None:
        if device == "cpu" and type(layer) is States and _is_slow(layer.recurrent):
            return partial(_forward, layer)
        return None

    return replaced_forwards(module, choose)


def _is_slow(recurrent: nn.RNNBase) -> bool:
    kind = type(recurrent) is nn.GRU or (type(recurrent) is nn.RNN and recurrent.nonlinearity == "tanh")
    return kind and recurrent.batch_first and recurrent.bias and recurrent.proj_size == 0


def _forward(states: States, x: Tensor) -> Tensor:
    if not torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return States.forward(states, x)
    recurrent = states.recurrent
    directions = ["", "_reverse"] if recurrent.bidirectional else [""]
    x = x.transpose(0, 1)
    for number in range(recurrent.num_layers):
        if number > 0:
            x = functional.dropout(x, recurrent.dropout, recurrent.training)
        x = torch.cat([_direction(recurrent, x, f"l{number}{which}") for which in directions], dim=-1)
    return x.transpose(0, 1)


def _direction(recurrent: nn.RNNBase, x: Tensor, name: str) -> Tensor:
    """Return the states of one layer in one direction; ``x`` and states are (length, batch, features)."""
    of_input, of_state, input_bias, state_bias = (
        getattr(recurrent, f"{what}_{name}") for what in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    backwards = name.endswith("_reverse")
    if backwards:
        x = x.flip(0)
    found: Tensor
    if isinstance(recurrent, nn.GRU):
        found = _GRU.apply(functional.linear(x, of_input, input_bias), of_state, state_bias)  # type: ignore[no-untyped-call]
    else:
        found = _Simple.apply(functional.linear(x, of_input, input_bias + state_bias), of_state)  # type: ignore[no-untyped-call]
    return found.flip(0) if backwards else found


class _Simple(torch.autograd.Function):
    """Simple RNN: h = tanh(x + W h), where x is the input's contribution, biases included."""

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor) -> Tensor:
        length, batch, width = x.shape
        h, transposed = x.new_zeros(length + 1, batch, width), weight.t()
        for x_now, h_before, h_now in zip(x.unbind(), h[:-1].unbind(), h[1:].unbind(), strict=True):
            torch.addmm(x_now, h_before, transposed, out=h_now).tanh_()
        context.save_for_backward(h, weight)
        return h[1:]

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        h, weight = context.saved_tensors
        slope = torch.addcmul(h.new_ones(()), h[1:], h[1:], value=-1)
        of_sum = torch.empty_like(slope)
        given, slopes, sums = gradient.unbind(), slope.unbind(), of_sum.unbind()
        of_h = given[-1]
        for now in reversed(range(len(given))):
            torch.mul(of_h, slopes[now], out=sums[now])
            if now:
                of_h = torch.addmm(given[now - 1], sums[now], weight)
        return of_sum, of_sum.flatten(0, 1).t() @ h[:-1].flatten(0, 1)


class _GRU(torch.autograd.Function):
    """GRU: r, z = σ(x + W h + b), n = tanh(x + r (W h + b)), h = n + z (h - n).

    x is the input's contribution, with its bias. x, W and b hold the entries of r, z and n one after the
    other, as in PyTorch.
    """

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        length, batch, width = *x.shape[:2], weight.shape[1]
        h, transposed = x.new_zeros(length + 1, batch, width), weight.t()
        both, n = x.new_empty(length, 2, batch, width), x.new_empty(length, batch, width)
        added = x.new_empty(length, batch, 3 * width)  # contribution of the previous state
        for x_now, added_now, both_now, n_now, h_before, h_now in zip(
            *(each.unbind() for each in (x, added, both, n, h[:-1], h[1:])), strict=True
        ):
            torch.addmm(bias, h_before, transposed, out=added_now)
            r_and_z = added_now[:, : 2 * width].add_(x_now[:, : 2 * width])
            torch.sigmoid(r_and_z.view(batch, 2, width).transpose(0, 1), out=both_now)
            r, z = both_now.unbind()
            torch.addcmul(x_now[:, 2 * width :], r, added_now[:, 2 * width :], out=n_now).tanh_()
            torch.lerp(n_now, h_before, z, out=h_now)
        context.save_for_backward(h, both, n, added, weight)
        return h[1:]

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h, both, n, added, weight = context.saved_tensors
        length, batch, width = n.shape
        one, (r, z) = h.new_ones(()), both.unbind(1)
        # Factors from the gradient of h to those of the input's contribution to n, and of the previous
        # state's contributions to r, z and n.
        of_n = torch.addcmul(one, n, n, value=-1)
        of_n.addcmul_(of_n, z, value=-1)
        factors = n.new_empty(length, 3, batch, width)
        of_r, of_z, of_added = factors.unbind(1)
        torch.mul(of_n, r, out=of_added)
        passed = of_added * added[:, :, 2 * width :]
        torch.addcmul(passed, passed, r, value=-1, out=of_r)
        torch.sub(h[:-1], n, out=passed).mul_(z)
        torch.addcmul(passed, passed, z, value=-1, out=of_z)

        of_sums = n.new_empty(length, batch, 3 * width)
        of_h = torch.empty_like(n)
        by_gate = of_sums.view(length, batch, 3, width).transpose(1, 2).unbind()
        given, sums, each_factor, z_of, h_of = (
            every.unbind() for every in (gradient, of_sums, factors, z, of_h)
        )
        h_of[-1].copy_(given[-1])
        for now in reversed(range(length)):
            torch.mul(h_of[now], each_factor[now], out=by_gate[now])
            if now:
                torch.addcmul(given[now - 1], h_of[now], z_of[now], out=h_of[now - 1])
                h_of[now - 1].addmm_(sums[now], weight)
        of_x = of_sums.clone()
        torch.mul(of_h, of_n, out=of_x[:, :, 2 * width :])
        flat = of_sums.flatten(0, 1)
        return of_x, flat.t() @ h[:-1].flatten(0, 1), flat.sum(0)
