"""The optimiser of a training, which may be the user's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from optnas.errors import UserError
from optnas.space.source import place_of
from optnas.train.optimizers import make_optimizer
from optnas.train.own_functions import takes
from optnas.train.training import Training
from optnas.train.weights import FlatWeights

__all__ = ["check_optimizer", "optimizer_of", "reason_not_to_record_it"]


def optimizer_of(training: Training, weights: FlatWeights, module: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser that ``training`` names.

    One of optnas's changes all weights in one tensor; one of the user's own gets the weights of the layers,
    in their shapes, as some treat matrices in their own way.
    """
    if training.optimizer in training.optimizers:
        return _own(training, [weight for weight in module.parameters() if weight.requires_grad])
    return make_optimizer(
        training.optimizer,
        weights.parameters,
        lr=training.lr,
        weight_decay=training.weight_decay,
        momentum=training.momentum,
        betas=training.betas,
    )


def reason_not_to_record_it(optimizer: torch.optim.Optimizer, training: Training) -> str | None:
    """Return the reason, in words, not to record steps of ``optimizer``; ``None`` if there is none."""
    if training.optimizer not in training.optimizers or optimizer.defaults.get("capturable"):
        return None
    return f"the optimiser {training.optimizer!r} is not capturable"


def check_optimizer(training: Training, name: str) -> None:
    """Raise if the user's optimiser called ``name`` cannot be made, or not be stepped.

    Args:
        training: Settings with every value decided.
        name: A key of ``training.optimizers``.

    Raises:
        UserError: If so.
    """
    where, function = f"Training(optimizers={{{name!r}: …}})", training.optimizers[name]
    if not takes(function, "lr"):
        raise UserError(f"{where}: it must have an argument called lr, the largest learning rate")
    weights = [nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))]
    try:
        made = _own(training, weights, name)
        for weight in weights:
            weight.grad = torch.ones_like(weight)
        if isinstance(made, torch.optim.Optimizer):
            made.step()
    except Exception as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise UserError(f"{where}: {reason}{place_of(error)}") from error
    if not isinstance(made, torch.optim.Optimizer) or not all("lr" in each for each in made.param_groups):
        raise UserError(
            f"{where}: it must return a torch.optim.Optimizer with a learning rate, not {made!r:.60}"
        )


def _own(training: Training, weights: list[nn.Parameter], name: str | None = None) -> torch.optim.Optimizer:
    function = training.optimizers[training.optimizer if name is None else name]
    on_gpu = any(weight.is_cuda for weight in weights)
    given: dict[str, Any] = {
        "lr": training.lr,
        "weight_decay": training.weight_decay,
        "momentum": training.momentum,
        "betas": training.betas,
        # Steps of some can only then be recorded in a CUDA graph.
        "capturable": on_gpu or None,
    }
    found: torch.optim.Optimizer = function(
        weights, **{key: value for key, value in given.items() if value is not None and takes(function, key)}
    )
    return found
