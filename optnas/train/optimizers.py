"""Optimisers by name, in PyTorch's fused versions where it has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from optnas.train.training import Training

__all__ = ["OPTIMIZERS", "make_optimizer"]

_Make = Callable[[list[nn.Parameter], "Training"], torch.optim.Optimizer]


def _capturable(weights: list[nn.Parameter]) -> bool:
    """Return whether steps may become part of a CUDA graph, and the count of them has to be on the device."""
    return any(weight.is_cuda for weight in weights)


# Fused kernels exist for all but RMSprop: one call for all weights instead of several for each.


def _sgd(weights: list[nn.Parameter], training: Training) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        weights,
        training.lr,
        training.momentum,
        nesterov=training.momentum > 0,
        weight_decay=training.weight_decay,
        fused=True,
    )


def _adam(kind: type[torch.optim.Adam]) -> _Make:
    return lambda weights, training: kind(
        weights,
        training.lr,
        weight_decay=training.weight_decay,
        fused=True,
        capturable=_capturable(weights),
    )


def _rmsprop(weights: list[nn.Parameter], training: Training) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(
        weights, training.lr, weight_decay=training.weight_decay, capturable=_capturable(weights)
    )


OPTIMIZERS: dict[str, _Make] = {
    "adam": _adam(torch.optim.Adam),
    "adamw": _adam(torch.optim.AdamW),
    "rmsprop": _rmsprop,
    "sgd": _sgd,
}


def make_optimizer(weights: Iterable[nn.Parameter], training: Any) -> torch.optim.Optimizer:
    """Return the optimiser that ``training`` names, over ``weights``."""
    return OPTIMIZERS[training.optimizer](list(weights), training)
