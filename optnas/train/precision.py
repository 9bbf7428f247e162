"""The precision of computation: bfloat16 if that is faster on the hardware."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from optnas.errors import UserError
from optnas.train.replaced_forwards import Forward, replaced_forwards

__all__ = ["PRECISIONS", "choose_precision", "in_precision", "in_tf32", "of_capability", "tf32_flags"]

PRECISIONS = ("auto", "float32", "tf32", "bfloat16")

# NVIDIA's Ampere: the first tensor cores that take bfloat16 and TF32. Before it bfloat16 is emulated.
_AMPERE = (8, 0)

# With fewer weights a layer's two conversions cost as much as its product saves (measured with AMX).
_FEWEST_WEIGHTS = 4096


@cache
def choose_precision(name: str, device: torch.device) -> str:
    """Return the precision to use on ``device``: ``float32``, ``tf32`` or ``bfloat16``.

    ``auto`` is bfloat16 on CPUs with matrix tiles (AMX) and on GPUs from compute capability 8.0 on,
    else float32. It depends on the hardware and not on a timing, so that a machine always computes
    the same.

    Raises:
        UserError: If the name is unknown, or the device does not support that precision.
    """
    if name not in PRECISIONS:
        raise UserError(f"precision {name!r}: use one of {', '.join(PRECISIONS)}")
    if device.type == "cuda":
        return of_capability(name, torch.cuda.get_device_capability(device))
    if name == "tf32":
        raise UserError(f"precision 'tf32' is of NVIDIA GPUs, not of {device}: use 'float32', or 'auto'")
    if name != "auto":
        return name
    tiles = device.type == "cpu" and torch.cpu._is_amx_tile_supported()
    return "bfloat16" if tiles else "float32"


def of_capability(name: str, capability: tuple[int, int]) -> str:
    """Return the precision that ``name`` means on a GPU of that compute capability.

    Raises:
        UserError: If the GPU does not support it.
    """
    if capability >= _AMPERE:
        return "bfloat16" if name == "auto" else name
    if name in ("auto", "float32"):
        return "float32"
    has = ".".join(map(str, capability))
    raise UserError(
        f"precision {name!r} needs compute capability 8.0, and this GPU has {has}: use 'float32', or 'auto'"
    )


@contextlib.contextmanager
def in_precision(module: nn.Module, precision: str, device: torch.device) -> Iterator[None]:
    """Compute large convolutions and matrix products of ``module`` in ``precision`` inside this context.

    On the CPU bfloat16 is for dense convolutions and linear layers: their inputs and weights are
    rounded, their sums are kept in float32; norms, activations and small layers stay in float32. On
    CUDA it is PyTorch's autocast, with TF32 for the products that autocast leaves in float32. Weights
    and outputs of ``module`` are in float32 on all devices.
    """
    with contextlib.ExitStack() as stack:
        if device.type == "cuda":
            stack.enter_context(in_tf32(precision != "float32"))
            if precision == "bfloat16":
                stack.enter_context(_in_autocast(module, device))
        elif precision == "bfloat16":
            stack.enter_context(replaced_forwards(module, _lowered))
        yield


@contextlib.contextmanager
def in_tf32(allowed: bool) -> Iterator[None]:
    """Allow or forbid TF32 for CUDA's products of float32 inside this context.

    By default PyTorch does convolutions in TF32 and matrix products in float32.
    """
    flags = tf32_flags()
    before = [getattr(owner, name) for owner, name in flags]
    for owner, name in flags:
        setattr(owner, name, allowed if name == "allow_tf32" else ("tf32" if allowed else "ieee"))
    try:
        yield
    finally:
        for (owner, name), was in zip(flags, before, strict=True):
            setattr(owner, name, was)


def tf32_flags() -> list[tuple[Any, str]]:
    """Return the flags of a process that allow TF32, each as its owner and its name."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    # PyTorch 2.9 has new names, warns about the old ones, and raises if both are mixed.
    if hasattr(cudnn, "conv"):
        return [(owner, "fp32_precision") for owner in (cuda, cudnn.conv, cudnn.rnn)]
    return [(owner, "allow_tf32") for owner in (cuda, cudnn)]


def _in_autocast(module: nn.Module, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Autocast the forward pass of ``module`` to bfloat16 inside this context; its output is float32."""
    forward = module.forward

    def autocast(*inputs: Tensor) -> Tensor:
        # One context per pass: autocast caches the rounded weights until it ends, and the weights change.
        with torch.autocast(device.type, torch.bfloat16):
            out: Tensor = forward(*inputs)
        return out.float() if out.dtype == torch.bfloat16 else out

    return replaced_forwards(module, lambda layer: autocast if layer is module else None)


def _lowered(layer: nn.Module) -> Forward | None:
    """Return a forward function in bfloat16 for a large dense layer; ``None`` for any other layer."""
    # Only PyTorch's own classes: a subclass may have another forward pass.
    if type(layer) is nn.Conv2d and layer.groups == 1 and layer.padding_mode == "zeros":
        kind: Callable[..., Tensor] = _convolution
    elif type(layer) is nn.Linear:
        kind = _linear
    else:
        return None
    return partial(kind, layer) if layer.weight.numel() >= _FEWEST_WEIGHTS else None


def _convolution(layer: nn.Conv2d, x: Tensor) -> Tensor:
    out = functional.conv2d(
        x.bfloat16(), layer.weight.bfloat16(), None, layer.stride, layer.padding, layer.dilation
    ).float()
    return out if layer.bias is None else out + layer.bias[:, None, None]


def _linear(layer: nn.Linear, x: Tensor) -> Tensor:
    out = functional.linear(x.bfloat16(), layer.weight.bfloat16()).float()
    return out if layer.bias is None else out + layer.bias
