"""What one trial decided on."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

from optnas.space import Node
from optnas.train import Training

__all__ = ["Candidate"]


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An architecture, and how to train it.

    Attributes:
        architecture: The space without holes.
        training: The training's values without holes.
        params: What each parameter was set to.
        seed: For everything random about this trial.
        costs: What is known before any training, by name: ``flops``, ``params``, …, and what was
            measured of the built network.
    """

    architecture: Node
    training: Training
    params: dict[str, Any]
    seed: int
    costs: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def key(self) -> str:
        """A digest, equal for candidates that would be the same network trained in the same way."""
        same = f"{self.architecture.key} {self.training.tree}"
        return hashlib.blake2b(same.encode(), digest_size=12).hexdigest()
