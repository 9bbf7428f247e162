"""A data set: inputs and targets for training, validation and test."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Data", "Part", "Split", "Splits"]


class Part(Protocol):
    """One part of a data set, wherever its inputs are."""

    @property
    def y(self) -> Tensor:
        """Targets, shape (samples, …), on the part's device; classes have the shape (samples,)."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        ...

    def __len__(self) -> int: ...

    def to(self, device: torch.device) -> Part:
        """Return the part with what it yields on ``device``."""
        ...

    def blocks(self, size: int, order: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs as they are stored, and targets, ``size`` samples at a time.

        Args:
            size: Samples a block; the last has what is left.
            order: Which samples, by their indices, in which order; by default all as they stand.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Split:
    """A part that is held in memory.

    Attributes:
        x: Inputs, shape (samples, …).
        y: Targets, shape (samples, …); for classification the class of each sample, shape (samples,).
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.x.shape[1:])

    def to(self, device: torch.device) -> Split:
        return Split(self.x.to(device), self.y.to(device))

    def blocks(self, size: int, order: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        if order is None:
            yield from zip(torch.split(self.x, size), torch.split(self.y, size), strict=True)
        else:
            for chosen in torch.split(order.to(self.x.device), size):
                yield self.x[chosen], self.y[chosen]


def as_stored(x: Tensor) -> Tensor:
    """Return ``x``: what is stored is what a network takes."""
    return x


@dataclasses.dataclass(frozen=True)
class Splits:
    """The three parts. A search sees training and validation; ``test`` is for the winner alone.

    Attributes:
        outputs: How many numbers a network has to give for a prediction: classes, values, symbols.
        prepare: From inputs as they are stored, in the smallest exact type, to what a network takes;
            for whole batches, on any device.
    """

    train: Part
    validation: Part
    test: Part
    outputs: int
    prepare: Callable[[Tensor], Tensor] = as_stored


class Data:
    """A data set that is loaded when it is first looked at.

    Attributes:
        name: What it is called in records.
    """

    def __init__(self, name: str, load: Callable[[], Splits]) -> None:
        self.name = name
        self._load = load
        self._on_device: dict[torch.device, Splits] = {}

    def __repr__(self) -> str:
        return f"Data({self.name!r})"

    @cached_property
    def splits(self) -> Splits:
        """The three parts, on the CPU.

        Raises:
            UserError: If inputs and labels do not fit together.
        """
        return self._load()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.splits.train.shape

    @property
    def outputs(self) -> int:
        """How many numbers a network has to give for a prediction: classes, values, symbols."""
        return self.splits.outputs

    def on(self, device: torch.device) -> Splits:
        """Return the three parts on ``device``, moved there once for all trials."""
        if device not in self._on_device:
            parts = self.splits
            self._on_device[device] = dataclasses.replace(
                parts,
                train=parts.train.to(device),
                validation=parts.validation.to(device),
                test=parts.test.to(device),
            )
        return self._on_device[device]
