"""Tensors of a parent network by number, and which of them a tensor of its child stands for."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable

import torch
from torch import Tensor, nn

__all__ = ["ZERO", "Inserted", "Numbers", "Signal", "cyclic", "plain"]

ZERO = -1
"""Number of a tensor that is zero throughout, such as on an absent edge of a cell."""


class Numbers:
    """Numbers of tensors: two have the same one if they are made in the same way of the same tensors.

    So a tensor of the child that is computed as one of the parent has that one's number (value numbering).
    """

    def __init__(self) -> None:
        self._by_recipe: dict[Hashable, int] = {}
        self._at_least_zero = set[int]()
        self._at_most_six = set[int]()
        self.sizes: dict[int, int | None] = {}
        """The number of channels of each tensor of the parent; ``None`` if that is unknown."""

    def of(self, *recipe: Hashable) -> int:
        """Return the number of what is made so."""
        return self._by_recipe.setdefault(recipe, len(self._by_recipe))

    def bounded(self, number: int) -> tuple[bool, bool]:
        """Return whether all of a tensor's numbers are at least 0, and at most 6."""
        return number in self._at_least_zero, number in self._at_most_six

    def bound(self, number: int, at_least_zero: bool, at_most_six: bool) -> None:
        """Note that all numbers of a tensor are at least 0, or at most 6."""
        if at_least_zero:
            self._at_least_zero.add(number)
        if at_most_six:
            self._at_most_six.add(number)


class Inserted:
    """A new layer that passes on what comes in; :meth:`undo` makes it a fresh one again.

    Attributes:
        layer: The layer.
        confirmed: Whether the layer after it has what it had in the parent, so that it is to stay.
    """

    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer
        self.confirmed = False
        self._fresh = {name: value.clone() for name, value in layer.state_dict().items()}

    def undo(self) -> None:
        """Give the layer its fresh weights back."""
        self.layer.load_state_dict(self._fresh)


@dataclasses.dataclass(frozen=True)
class Signal:
    """A tensor of the child, and the tensor of the parent that it stands for.

    Attributes:
        stands_for: The number of the parent's tensor.
        exact: Whether each of its channels equals that channel of the parent's tensor of which it is a copy.
        channels: For each of its channels the parent's one, shape (channels,); ``None`` if it is no single
            tensor, or has other axes than the parent's: it then stands for it as a whole.
        inserted: Layers between the two that pass on what comes in, if that can be.
    """

    stands_for: int
    exact: bool
    channels: Tensor | None
    inserted: tuple[Inserted, ...] = ()

    def covers(self, size: int | None) -> bool:
        """Return whether all ``size`` channels of the parent's tensor are there."""
        if self.channels is None or size is None:
            return self.channels is None
        return len(torch.unique(self.channels)) == size

    def evenly(self, size: int | None) -> bool:
        """Return whether each channel of the parent's tensor is there equally often."""
        if self.channels is None or size is None:
            return self.channels is None
        counts = torch.bincount(self.channels, minlength=size)
        return bool((counts == counts[0]).all())

    def is_plain(self, size: int | None) -> bool:
        """Return whether the channels are the parent's, in their order."""
        return self.channels is None or (size is not None and plain(self.channels, size))


def cyclic(size: int, of: int) -> Tensor:
    """Return which of ``of`` channels each of ``size`` is a copy of: the first ones, then these again.

    It depends on the two sizes alone, so that what is added up has its channels in the same order.
    """
    return torch.arange(size) % of


def plain(channels: Tensor, size: int) -> bool:
    """Return whether ``channels`` are ``size`` channels in their order."""
    return len(channels) == size and bool((channels == torch.arange(size)).all())
