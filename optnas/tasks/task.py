"""What a task has to say for a network to be trained on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor

from optnas.data import Data

__all__ = ["Task"]


class Task(Protocol):
    """Data, a loss, and metrics.

    Attributes:
        data: The samples.
        metrics: The names of what :meth:`measure` returns.
    """

    @property
    def data(self) -> Data: ...

    @property
    def metrics(self) -> tuple[str, ...]: ...

    @property
    def context(self) -> Mapping[str, Any]:
        """What ops take from the task, such as ``outputs``."""
        ...

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float) -> Tensor:
        """Return the scalar to train on, for outputs of shape (batch, …)."""
        ...

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Return the metrics over a whole part of the data."""
        ...
