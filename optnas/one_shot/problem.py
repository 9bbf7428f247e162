"""The problem of a one-shot search: a space, a task to learn, and the costs of architectures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from optnas.space import Node
from optnas.space.shapes import AnyShape
from optnas.train import Training
from optnas.train.task import Task

__all__ = ["Problem"]


@dataclasses.dataclass(frozen=True)
class Problem:
    """A search space and what makes one of its architectures better than another.

    Attributes:
        space: The search space.
        shape: The input's shape without the batch.
        context: Values for op arguments left at ``None``.
        task: The task.
        training: Settings of the supernet's training, with every value decided.
        device: Where it is trained.
        cost_of: The exact cost of parameters, which gradients make small; ``None`` of what cannot be built.
            By default there is no cost.
        losses_of: Takes parameters and the metrics of their network, and returns the objectives' values, all
            to be minimised; ``None`` for what is infeasible.
        longest: The most epochs that a trial of the study is trained for.
        name: The study's name.
        store: Where the supernet's state is kept; ``None`` if it is not.
    """

    space: Node
    shape: AnyShape
    context: Mapping[str, Any]
    task: Task
    training: Training
    device: torch.device
    cost_of: Callable[[Mapping[str, Any]], float | None] | None
    losses_of: Callable[[Mapping[str, Any], Mapping[str, float]], Sequence[float] | None]
    longest: int = 9
    name: str = "supernet"
    store: Any = None
