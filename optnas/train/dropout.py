"""Dropout that draws faster on the CPU than PyTorch's: which numbers to keep is a tenth of its training."""

from __future__ import annotations

import contextlib
from functools import partial

import torch
from torch import Tensor, nn

from optnas.train.forwards import Forward, forwards

__all__ = ["faster_dropout"]

# A draw of 64 bits decides for four numbers, each by whether its 16 bits are below a share of all.
_BITS = 16
_NUMBERS = 64 // _BITS
# Of fewer numbers PyTorch's own dropout, which is one call, is as fast or faster.
_FEWEST = 2**14


def faster_dropout(module: nn.Module, device: str) -> contextlib.AbstractContextManager[None]:
    """Let dropout of single numbers in ``module`` draw in another way while within.

    The rate is as it was to one part in 65,536.

    Args:
        module: Where it is.
        device: The type of device that it is on; only on ``"cpu"`` anything changes.
    """

    def choose(layer: nn.Module) -> Forward | None:
        return partial(_forward, layer) if device == "cpu" and type(layer) is nn.Dropout else None

    return forwards(module, choose)


def _forward(layer: nn.Dropout, x: Tensor) -> Tensor:
    dropped = round(layer.p * 2**_BITS)
    if not layer.training or not 0 < dropped < 2**_BITS or x.numel() < _FEWEST:
        return nn.Dropout.forward(layer, x)
    draws = torch.empty(-(-x.numel() // _NUMBERS), dtype=torch.int64).random_(-(2**63), None)
    numbers = draws.view(torch.int16)[: x.numel()].view(x.shape)
    kept = (numbers >= dropped - 2 ** (_BITS - 1)).to(x.dtype)
    scaled: Tensor = x * kept.mul_(2**_BITS / (2**_BITS - dropped))
    return scaled
