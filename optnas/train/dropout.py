"""Faster random masks for dropout on the CPU, where PyTorch's masks take a tenth of the training time."""

from __future__ import annotations

import contextlib
from functools import partial

import torch
from torch import Tensor, nn

from optnas.train.replaced_forwards import Forward, replaced_forwards

__all__ = ["faster_dropout"]

# One random draw of 64 bits decides on four numbers: each is dropped if its 16 bits, as an integer, are
# below the dropout rate's share of all 16-bit integers.
_BITS = 16
_NUMBERS = 64 // _BITS
# For fewer numbers PyTorch's own dropout, a single call, is as fast or faster.
_FEWEST = 2**14


def faster_dropout(module: nn.Module, device: str) -> contextlib.AbstractContextManager[None]:
    """Draw the masks of ``nn.Dropout`` layers in ``module`` faster inside this context.

    The rate is exact to one part in 65,536.

    Args:
        module: The network.
        device: The type of the network's device; only ``"cpu"`` changes anything.
    """

    def choose(layer: nn.Module) -> Forward | None:
        return partial(_forward, layer) if device == "cpu" and type(layer) is nn.Dropout else None

    return replaced_forwards(module, choose)


def _forward(layer: nn.Dropout, x: Tensor) -> Tensor:
    dropped = round(layer.p * 2**_BITS)
    if not layer.training or not 0 < dropped < 2**_BITS or x.numel() < _FEWEST:
        return nn.Dropout.forward(layer, x)
    draws = torch.empty(-(-x.numel() // _NUMBERS), dtype=torch.int64).random_(-(2**63), None)
    numbers = draws.view(torch.int16)[: x.numel()].view(x.shape)
    kept = (numbers >= dropped - 2 ** (_BITS - 1)).to(x.dtype)
    scaled: Tensor = x * kept.mul_(2**_BITS / (2**_BITS - dropped))
    return scaled
