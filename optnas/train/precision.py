"""In which precision to compute: bfloat16 where the hardware makes that pay."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cache, partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from optnas.errors import UserError

__all__ = ["PRECISIONS", "choose_precision", "in_precision"]

PRECISIONS = ("auto", "float32", "bfloat16")

# Below so many weights a layer's two conversions cost what its product saves (measured with AMX).
_FEWEST_WEIGHTS = 4096


@cache
def choose_precision(name: str, device: torch.device) -> str:
    """Return ``float32`` or ``bfloat16``; ``auto`` is bfloat16 on CPUs with matrix tiles (AMX).

    It goes by what the hardware is and not by a timing, so that a machine always computes the same.

    Raises:
        UserError: If the name is unknown.
    """
    if name not in PRECISIONS:
        raise UserError(f"precision {name!r}: use one of {', '.join(PRECISIONS)}")
    if name != "auto":
        return name
    tiles = device.type == "cpu" and torch.cpu._is_amx_tile_supported()
    return "bfloat16" if tiles else "float32"


@contextlib.contextmanager
def in_precision(module: nn.Module, precision: str) -> Iterator[None]:
    """Let the large products of ``module`` be computed in ``precision`` while within.

    In bfloat16 these are dense convolutions and linear layers: their inputs and weights are rounded,
    their sums are kept in float32. Weights, norms, activations and everything small stay in float32.
    """
    lowered: list[nn.Module] = []
    if precision == "bfloat16":
        for layer in module.modules():
            forward = _lowered(layer)
            if forward is not None:
                layer.forward = forward
                lowered.append(layer)
    try:
        yield
    finally:
        for layer in lowered:
            del layer.forward


def _lowered(layer: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """Return the forward function of a layer that is worth lowering."""
    # Only PyTorch's own classes: what a subclass does in its forward is not known here.
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
