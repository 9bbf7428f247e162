"""A running average of the weights over training, which generalises better than the last of them."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

from torch import Tensor

from optnas.train.weights import FlatWeights

__all__ = ["Average"]


class Average:
    """An exponential moving average of weights (Polyak & Juditsky 1992; Tarvainen & Valpola 2017).

    The decay of step t is at most (1 + t) / (10 + t), so that a short training forgets its start.

    Args:
        weights: What is averaged.
        decay: From 0 (no average: all is as without) to below 1.
    """

    def __init__(self, weights: FlatWeights, decay: float) -> None:
        self._weights = weights
        self._decay = decay
        self._step = 0
        self._values: list[Tensor] = [w.detach().clone() for w in weights.parameters] if decay else []

    def update(self) -> None:
        """Take in the weights after a step."""
        self._step += 1
        decay = min(self._decay, (1 + self._step) / (10 + self._step))
        for value, weight in zip(self._values, self._weights.parameters, strict=False):
            value.lerp_(weight.detach(), 1 - decay)

    def in_place(self) -> AbstractContextManager[list[Tensor]]:
        """Let the weights be their average while within, which is given the trained ones."""
        return self._weights.replaced(self._values) if self._values else contextlib.nullcontext([])

    def restore(self, step: int, trained: list[Tensor]) -> None:
        """Take the weights for their average after ``step`` steps, and go on with the ``trained`` ones."""
        if self._values:
            self._step = step
            self._values = [weight.detach().clone() for weight in self._weights.parameters]
            self._weights.set(trained)

    def keep(self) -> None:
        """Set the weights to their average."""
        if self._values:
            self._weights.set(self._values)
