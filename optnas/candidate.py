"""The candidate of a trial: an architecture and how to train it."""

from __future__ import annotations

import dataclasses
import hashlib
from importlib import import_module
from typing import Any

from optnas.space import Node
from optnas.train import Training

__all__ = ["Candidate"]


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An architecture and its training configuration, with every parameter decided.

    Attributes:
        architecture: The study's space with every choice decided.
        training: The training configuration with every choice decided.
        params: The value of each parameter, by name.
        seed: Seed of everything random in this trial.
        costs: Values known before any training, by name: ``flops``, ``params``, …, and those measured
            on the built network.
    """

    architecture: Node
    training: Training
    params: dict[str, Any]
    seed: int
    costs: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def key(self) -> str:
        """Digest of the candidate, equal for equal networks trained in the same way."""
        same = f"{self.architecture.key} {self.training.tree}"
        for name, digest in self.training.own_functions.items():
            same += f"\n{name} {digest}"
        return hashlib.blake2b(same.encode(), digest_size=12).hexdigest()

    def _repr_html_(self) -> str:
        # Of a room above this one, for notebooks alone.
        html: str = import_module("optnas.reports.notebook").candidate_html(self)
        return html
