"""The base class of tasks: data, loss and metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from optnas.data import Data
from optnas.train.training import Training

__all__ = ["Step", "Task"]

Step = Callable[[Tensor, Tensor, float], Tensor]
"""Trains on a batch: takes inputs, targets and the share of the largest learning rate; returns the loss."""


class Task(ABC):
    """Data, a loss, and metrics. Subclass it for a task of your own.

    A task has to define :attr:`data`, :attr:`metrics`, :meth:`loss` and :meth:`measure`; the rest has
    defaults. ``examples/custom_task.py`` is a task with two losses.

    Attributes:
        data: The samples.
        metrics: The names of all metrics that :meth:`measure` can return.
        smooths_labels: Whether :meth:`loss` supports a ``label_smoothing`` other than 0.
    """

    data: Data
    metrics: tuple[str, ...]
    smooths_labels = True

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Return the scalar loss of outputs of shape (batch, …)."""
        raise NotImplementedError(f"{type(self).__name__} needs loss(outputs, targets), or a step of its own")

    @abstractmethod
    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Return the metrics over a whole part of the data, from outputs of shape (samples, …)."""

    def measuring(self, names: Iterable[str]) -> Task:
        """Return this task with a :meth:`measure` that returns at least ``names`` (of :attr:`metrics`).

        A task can measure metrics that take time only if they are asked for; by default every metric
        is always measured.
        """
        return self

    def own_step(self, module: nn.Module, training: Training) -> Step | None:
        """Return a custom training step for ``module``; ``None`` for the usual step.

        A custom step is for tasks that need more than one loss or optimiser. This method is called once
        for each training, so that the step's state, such as optimisers or a second network on the device
        of ``module``, belongs to that training alone. The usual step uses :meth:`loss`, and the optimiser
        and clipping that ``training`` names. Schedules, rungs and the running average of ``module`` work
        with either.
        """
        return None

    @property
    def context(self) -> Mapping[str, Any]:
        """The task's values that ops use when a network is built, by name, such as ``outputs``."""
        return {"outputs": self.data.outputs}

    @property
    def output_scale(self) -> tuple[Tensor, Tensor] | None:
        """The deviation and the mean that convert a network's outputs to the unit of the targets.

        ``None`` if users of the network want its outputs as they are, such as logits.
        """
        return None

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The required shape of a network's output, without the batch."""
        return (self.data.outputs,)

    @property
    def chance(self) -> Mapping[str, float]:
        """The metrics, by name, of constant predictions made from the validation part's targets alone.

        Only the metrics for which they are known; by default none.
        """
        return {}

    @property
    def ideal(self) -> Mapping[str, float]:
        """The best possible value of each metric, by name; by default unknown for all."""
        return {}

    def at_chance(self, metrics: Mapping[str, float]) -> str | None:
        """Return in words why ``metrics`` are no better than chance; ``None`` if they are better.

        By default ``None``, as chance is unknown.
        """
        return None

    def check(self) -> None:
        """Load the data and whatever :meth:`measure` needs; raise if the task cannot learn from the data.

        Called before the first training, so that loading does not count as training time.

        Raises:
            UserError: If the data is broken, or of another kind than the task needs.
        """
        self.data.splits  # noqa: B018 - loading is what checks it
