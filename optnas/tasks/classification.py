"""Classification: one of several classes for each sample."""

from __future__ import annotations

import dataclasses

from torch import Tensor
from torch.nn.functional import cross_entropy

from optnas.data import Data

__all__ = ["Classification", "classification"]


@dataclasses.dataclass(frozen=True)
class Classification:
    """Cross-entropy over classes.

    Measures ``accuracy`` and ``error`` (shares of the samples, 0 to 1) and ``loss`` (mean
    cross-entropy, nats).
    """

    data: Data
    metrics = ("accuracy", "error", "loss")

    @property
    def context(self) -> dict[str, int]:
        return {"outputs": self.data.outputs}

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Return the mean cross-entropy of logits (batch, classes).

        Targets are classes (batch,), or shares of the classes (batch, classes) where samples are mixed.
        """
        return cross_entropy(outputs, targets, label_smoothing=label_smoothing)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Return the metrics of logits (samples, classes) against classes (samples,)."""
        outputs = outputs.float()
        accuracy = (outputs.argmax(dim=1) == targets).float().mean().item()
        return {
            "accuracy": accuracy,
            "error": 1 - accuracy,
            "loss": cross_entropy(outputs, targets).item(),
        }


def classification(data: Data) -> Classification:
    """Learn which class each sample of ``data`` is of."""
    return Classification(data)
