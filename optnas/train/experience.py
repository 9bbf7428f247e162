"""Batches of an epoch that a task makes by itself, such as of what an agent meets in an environment."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from optnas.data.trees import Tree
from optnas.errors import UserError
from optnas.train.task import Task
from optnas.train.training import Training

__all__ = ["experience"]


def experience(
    task: Task, module: nn.Module, training: Training, generator: torch.Generator
) -> Iterator[tuple[Tree, Tree]]:
    """Yield the batches of one epoch of ``task``.

    While the task makes a batch, ``module`` is in evaluation mode and gradients are off; between two batches,
    where it is trained, it is in training mode. So what an agent does depends neither on dropout nor on where
    the training was resumed.

    Raises:
        UserError: If there are more batches or fewer than ``task.batches_per_epoch``.
    """
    wanted, made = task.batches_per_epoch or 0, 0
    module.eval()
    with torch.no_grad():
        batches = task.experience(module, training, generator)
    if batches is None:
        raise UserError(
            f"{type(task).__name__} has batches_per_epoch={wanted}, and its experience returns none"
        )
    batches = iter(batches)
    while True:
        module.eval()
        with torch.no_grad():  # also where the task has a context of its own around its yield
            batch = next(batches, None)
        if batch is None:
            break
        made += 1
        if made > wanted:
            break
        module.train()
        yield batch
    if made != wanted:
        told = f"more than {wanted}" if made > wanted else f"{made}"
        raise UserError(
            f"{type(task).__name__}.experience makes {told} batches an epoch: set batches_per_epoch to"
            " their number"
        )
