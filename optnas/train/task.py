"""What a task has to say for a network to be trained on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from optnas.data import Data
from optnas.train.training import Training

__all__ = ["Step", "Task"]

Step = Callable[[Tensor, Tensor, float], Tensor]
"""Trains on a batch of inputs and targets, at that share of the largest learning rate; returns the loss."""


class Task(ABC):
    """Data, a loss, and metrics. Subclass it for a task of your own.

    :attr:`data`, :attr:`metrics`, :meth:`loss` and :meth:`measure` are enough for one; the rest has
    defaults. ``examples/custom_task.py`` is a task with two losses.

    Attributes:
        data: The samples.
        metrics: The names of all that :meth:`measure` can return.
        smooths_labels: Whether :meth:`loss` knows what to do with a ``label_smoothing`` other than 0.
    """

    data: Data
    metrics: tuple[str, ...]
    smooths_labels = True

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Return the scalar to train on, for outputs of shape (batch, …)."""
        raise NotImplementedError(f"{type(self).__name__} needs loss(outputs, targets), or a step of its own")

    @abstractmethod
    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Return the metrics over a whole part of the data, outputs of shape (samples, …)."""

    def measuring(self, names: Iterable[str]) -> Task:
        """Return this task such that :meth:`measure` returns at least ``names``, all of :attr:`metrics`.

        A task with metrics that take time measures only those of them that are asked for; by default
        everything is always measured.
        """
        return self

    def own_step(self, module: nn.Module, training: Training) -> Step | None:
        """Return what trains ``module`` on one batch, for tasks that one loss and optimiser do not do.

        It is called once for each training, so that what the step keeps, such as optimisers or a
        second network on the device of ``module``, belongs to that training alone. ``None`` is for
        the usual step: :meth:`loss`, and the optimiser and clipping that ``training`` names. Schedules,
        rungs and the running average of ``module`` work with either.
        """
        return None

    @property
    def context(self) -> Mapping[str, Any]:
        """What ops take from the task, such as ``outputs``."""
        return {"outputs": self.data.outputs}

    @property
    def output_scale(self) -> tuple[Tensor, Tensor] | None:
        """The deviation and the mean that bring a network's outputs to the unit of the targets.

        ``None`` where they are what a user of the network wants, such as logits.
        """
        return None

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape that a network's output has to have, without the batch."""
        return (self.data.outputs,)

    @property
    def chance(self) -> Mapping[str, float]:
        """The metrics, by name, of whoever knows the targets of the validation part but no input.

        Those that are known; by default none.
        """
        return {}

    @property
    def ideal(self) -> Mapping[str, float]:
        """The best value that each metric, by name, can have at all; by default nobody knows."""
        return {}

    def at_chance(self, metrics: Mapping[str, float]) -> str | None:
        """Return in words why a network of these metrics has learned nothing; ``None`` if it has.

        By default nobody knows.
        """
        return None

    def check(self) -> None:
        """Load the data and whatever :meth:`measure` needs; refuse what the task cannot learn from.

        Called before the first training, whose time is not to be spent on it.

        Raises:
            UserError: If the data is broken, or of another kind.
        """
        self.data.splits  # noqa: B018 - loading is what checks it
