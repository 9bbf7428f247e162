"""Exponential moving average of the weights, which generalises better than the final weights."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

from torch import Tensor

from optnas.train.weights import FlatWeights

__all__ = ["Average"]


class Average:
    """An exponential moving average of weights (Polyak & Juditsky 1992; Tarvainen & Valpola 2017).

    The decay of step t is at most (1 + t) / (10 + t), so that a short training forgets its initial weights.

    ``torch.optim.swa_utils.AveragedModel`` copies the whole module. This one keeps no module: it averages the
    flat weights in one kernel, gives way to the weights and back in place, and resumes from a checkpoint.

    Args:
        weights: The weights to average.
        decay: From 0 (no average; every method then leaves the weights alone) to below 1.
    """

    def __init__(self, weights: FlatWeights, decay: float) -> None:
        self._weights = weights
        self._decay = decay
        self._step = 0
        self._values: list[Tensor] = [w.detach().clone() for w in weights.parameters] if decay else []

    def update(self) -> None:
        """Update the average with the weights after a training step."""
        self._step += 1
        decay = min(self._decay, (1 + self._step) / (10 + self._step))
        for value, weight in zip(self._values, self._weights.parameters, strict=False):
            value.lerp_(weight.detach(), 1 - decay)

    def applied(self) -> AbstractContextManager[list[Tensor]]:
        """Replace the weights by their average inside this context, which yields the trained weights."""
        return self._weights.replaced(self._values) if self._values else contextlib.nullcontext([])

    def restore(self, step: int, trained: list[Tensor]) -> None:
        """Take the current weights as the average after ``step`` steps, then set them to ``trained``."""
        if self._values:
            self._step = step
            self._values = [weight.detach().clone() for weight in self._weights.parameters]
            self._weights.set(trained)

    def apply(self) -> None:
        """Set the weights to their average."""
        if self._values:
            self._weights.set(self._values)
