"""Batches of an epoch that a task makes by itself, such as of what an agent meets in an environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from optnas.data.trees import Tree, leaves
from optnas.errors import UserError
from optnas.train.task import Task
from optnas.train.training import Training

__all__ = ["experience"]

_END = object()


def experience(
    task: Task, module: nn.Module, training: Training, generator: torch.Generator
) -> Iterator[tuple[Tree, Tree]]:
    """Yield the batches of one epoch of ``task``.

    While the task makes a batch, ``module`` is in evaluation mode and gradients are off; between two batches,
    where it is trained, it is in training mode. So what an agent does depends neither on dropout nor on where
    the training was resumed.

    Raises:
        UserError: If there are more batches or fewer than ``task.batches_per_epoch``, or one is no pair of
            tensors, or of trees of them.
    """
    wanted, made = task.batches_per_epoch or 0, 0
    module.eval()
    with torch.no_grad():
        batches = task.experience(module, training, generator)
    if batches is None:
        raise UserError(
            f"{type(task).__name__} has batches_per_epoch={wanted}, and its experience returns none"
        )
    try:
        batches = iter(batches)
    except TypeError:
        raise UserError(
            f"{type(task).__name__}.experience returns {batches!r:.60}: let it yield (inputs, targets)"
        ) from None
    while True:
        module.eval()
        with torch.no_grad():  # also where the task has a context of its own around its yield
            batch = next(batches, _END)
        if batch is _END:
            break
        made += 1
        if made > wanted:
            break
        inputs, targets = _pair(type(task).__name__, batch)
        module.train()
        yield inputs, targets
    if made != wanted:
        told = f"more than {wanted}" if made > wanted else f"{made}"
        raise UserError(
            f"{type(task).__name__}.experience makes {told} batches an epoch: set batches_per_epoch to"
            " their number"
        )


def _pair(name: str, batch: Any) -> tuple[Tree, Tree]:
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise UserError(f"{name}.experience yields {batch!r:.60}; let it yield (inputs, targets)")
    for what, tree in zip(("inputs", "targets"), batch, strict=True):
        tensors = list(leaves(tree))
        if not tensors or not all(isinstance(each, Tensor) and each.dim() and len(each) for each in tensors):
            raise UserError(
                f"{name}.experience yields {what} {tree!r:.60}; let them be tensors of at least one sample"
            )
    return batch[0], batch[1]
