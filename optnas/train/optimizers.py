"""Optimisers by name, in PyTorch's fused versions where it has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from optnas.train.training import Training

__all__ = ["OPTIMIZERS", "make_optimizer"]

# Fused kernels exist for these; one call for all weights instead of several for each.
_Make = Callable[[Iterable[nn.Parameter], "Training"], torch.optim.Optimizer]


def _sgd(weights: Iterable[nn.Parameter], training: Training) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        weights,
        training.lr,
        training.momentum,
        nesterov=training.momentum > 0,
        weight_decay=training.weight_decay,
        fused=True,
    )


def _adam(weights: Iterable[nn.Parameter], training: Training) -> torch.optim.Optimizer:
    return torch.optim.Adam(weights, training.lr, weight_decay=training.weight_decay, fused=True)


def _adamw(weights: Iterable[nn.Parameter], training: Training) -> torch.optim.Optimizer:
    return torch.optim.AdamW(weights, training.lr, weight_decay=training.weight_decay, fused=True)


def _rmsprop(weights: Iterable[nn.Parameter], training: Training) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(weights, training.lr, weight_decay=training.weight_decay)


OPTIMIZERS: dict[str, _Make] = {"adam": _adam, "adamw": _adamw, "rmsprop": _rmsprop, "sgd": _sgd}


def make_optimizer(weights: Iterable[nn.Parameter], training: Any) -> torch.optim.Optimizer:
    """Return the optimiser that ``training`` names, over ``weights``."""
    return OPTIMIZERS[training.optimizer](weights, training)
