"""Optimisers by name, in PyTorch's fused versions if it has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

__all__ = ["OPTIMIZERS", "make_optimizer"]

_Betas = Sequence[float] | None
_Make = Callable[[list[nn.Parameter], float, float, float, _Betas], torch.optim.Optimizer]
"""Makes an optimiser from weights, learning rate, weight decay, momentum and betas."""


def _capturable(weights: list[nn.Parameter]) -> bool:
    """Return whether steps may be recorded in a CUDA graph, which needs the step count on the GPU."""
    return any(weight.is_cuda for weight in weights)


# Fused kernels exist for all but RMSprop: one call for all weights instead of several for each.


def _sgd(
    weights: list[nn.Parameter], lr: float, weight_decay: float, momentum: float, betas: _Betas
) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        weights, lr, momentum, nesterov=momentum > 0, weight_decay=weight_decay, fused=True
    )


def _adam(kind: type[torch.optim.Adam]) -> _Make:
    def make(
        weights: list[nn.Parameter], lr: float, weight_decay: float, momentum: float, betas: _Betas
    ) -> torch.optim.Optimizer:
        given: dict[str, Any] = {} if betas is None else {"betas": tuple(betas)}
        return kind(
            weights, lr, weight_decay=weight_decay, fused=True, capturable=_capturable(weights), **given
        )

    return make


def _rmsprop(
    weights: list[nn.Parameter], lr: float, weight_decay: float, momentum: float, betas: _Betas
) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(weights, lr, weight_decay=weight_decay, capturable=_capturable(weights))


OPTIMIZERS: dict[str, _Make] = {
    "adam": _adam(torch.optim.Adam),
    "adamw": _adam(torch.optim.AdamW),
    "rmsprop": _rmsprop,
    "sgd": _sgd,
}


def make_optimizer(
    name: str,
    weights: Iterable[nn.Parameter],
    *,
    lr: float,
    weight_decay: float,
    momentum: float,
    betas: Sequence[float] | None = None,
) -> torch.optim.Optimizer:
    """Return the optimiser called ``name``.

    Only SGD uses ``momentum``, in Nesterov's form, and only Adam and AdamW ``betas``.
    """
    return OPTIMIZERS[name](list(weights), lr, weight_decay, momentum, betas)
