"""A data set: inputs and targets for training, validation and test."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

__all__ = ["Data", "Split", "Splits"]


@dataclasses.dataclass(frozen=True)
class Split:
    """One part of a data set.

    Attributes:
        x: Inputs, shape (samples, …).
        y: Targets, shape (samples, …); for classification the class of each sample, shape (samples,).
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device) -> Split:
        return Split(self.x.to(device), self.y.to(device))


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

    train: Split
    validation: Split
    test: Split
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
        return tuple(self.splits.train.x.shape[1:])

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
