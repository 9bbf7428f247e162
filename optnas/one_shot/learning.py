"""Batches and loss of a task, for networks that share weights."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from optnas.data import Part
from optnas.data.trees import Tree, mapped, samples_in
from optnas.errors import UserError
from optnas.train import Training
from optnas.train.batches import InOrder, Shuffled, batch_sizes
from optnas.train.loop import evaluate, evaluated_at_once
from optnas.train.losses import make_loss
from optnas.train.task import Task, task_name
from optnas.train.used_settings import has_own_step

__all__ = ["Batch", "Learning", "check_learned_as_usual"]

Batch = tuple[Tree, Tree]
"""Inputs and targets, on the device."""

_CALIBRATION_BATCHES = 4


def check_learned_as_usual(task: Task) -> None:
    """Raise ``UserError`` if a task has batches or a training step of its own."""
    if task.batches_per_epoch is not None or has_own_step(task):
        raise UserError(
            f"one-shot search needs the usual training step, and {task_name(task)} has its own: use"
            " another sampler, such as ehvi"
        )


class Learning:
    """A task as the strategies of this room learn from it.

    Args:
        task: The task.
        training: Its settings, with every value decided: batch size, loss and augmentation.
        device: Where to compute.
        seed: Seed of the order of the samples.

    Attributes:
        most_batches: The number of batches after which an epoch ends; ``None`` for all of them.

    Raises:
        UserError: If the task has batches or a training step of its own.
    """

    most_batches: int | None = None

    def __init__(self, task: Task, training: Training, device: torch.device, seed: int) -> None:
        check_learned_as_usual(task)
        self._task, self._training, self._device = task, training, device
        self._parts = task.data.on(device)
        self._loss = make_loss(task, training, device)
        self._generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self._parts.train), generator=self._generator)
        self._halves = order.tensor_split(2)

    @property
    def generator(self) -> torch.Generator:
        """The generator of the order of samples, on the CPU."""
        return self._generator

    def loss(self, network: Callable[..., Any], batch: Batch) -> Tensor:
        """Return the loss of a network on a batch."""
        inputs, targets = batch
        return self._loss(network(inputs), targets)

    def epoch(self, half: int | None = None) -> Iterator[Batch]:
        """Yield the batches of one pass over the training part, or over one of its halves (0 or 1)."""
        part = self._parts.train if half is None else _Some(self._parts.train, self._halves[half])
        sizes = batch_sizes(len(part), min(self._training.batch_size, len(part)))
        parts = dataclasses.replace(self._parts, train=part)
        shuffled = Shuffled(parts, sizes, self._training, self._generator)
        yield from itertools.islice(shuffled, self.most_batches)

    def steps(self, half: int | None = None) -> int:
        """Return the number of batches of :meth:`epoch`."""
        samples = len(self._parts.train) if half is None else len(self._halves[half])
        return len(batch_sizes(samples, min(self._training.batch_size, samples)))

    def calibrate(self, network: nn.Module) -> None:
        """Set the running statistics of batch norms to those of a few batches of the training part."""
        norms = [part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
        if not norms:
            return
        before = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain average over the batches
        network.train()
        state = self._generator.get_state()  # the order of what is learned from does not depend on this
        with torch.no_grad():
            for count, (inputs, _) in enumerate(self.epoch(), 1):
                network(inputs)
                if count == _CALIBRATION_BATCHES:
                    break
        self._generator.set_state(state)
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum

    def validation_loss(self, network: nn.Module) -> float:
        """Return the mean loss on the validation part of a network on shared weights."""
        self.calibrate(network)
        network.eval()
        part, total = self._parts.validation, 0.0
        size = evaluated_at_once(self._device.type, part.shape)
        with torch.inference_mode():
            for inputs, targets in InOrder(part, size, self._parts.prepare):
                total += float(self.loss(network, (inputs, targets))) * samples_in(inputs)
        return total / len(part)

    def metrics(self, network: nn.Module) -> dict[str, float]:
        """Return the metrics on the validation part of a network on shared weights."""
        self.calibrate(network)
        return evaluate(network, self._task, self._parts.validation, self._parts.prepare)


class _Some:
    """Some samples of a part of the data."""

    def __init__(self, part: Part, indices: Tensor) -> None:
        self._part, self._indices = part, indices

    @property
    def y(self) -> Any:
        return mapped(lambda each: each[self._indices.to(each.device)], self._part.y)

    @property
    def shape(self) -> Any:
        return self._part.shape

    def __len__(self) -> int:
        return len(self._indices)

    def to(self, device: torch.device) -> _Some:
        return _Some(self._part.to(device), self._indices)

    def blocks(self, size: int, order: Tensor | None = None) -> Iterator[tuple[Tree, Tree]]:
        chosen = self._indices if order is None else self._indices[order.to(self._indices.device)]
        return self._part.blocks(size, chosen)
