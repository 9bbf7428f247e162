"""Learned probabilities of the values of every open parameter of a space."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Decisions"]

_SPREAD = 1e-3


class Decisions(nn.Module):
    """For every parameter of a space the logits of its values, which gradients change.

    There are several *weightings* of accuracy and cost, each with logits of its own, so that one supernet
    finds a front.

    Args:
        values: The values of each parameter by name.
        weightings: The number of weightings.
        seed: Seed of the first logits, which are almost equal.
    """

    def __init__(self, values: Mapping[str, Sequence[Any]], weightings: int = 1, seed: int = 0) -> None:
        super().__init__()
        self.values = {name: tuple(each) for name, each in values.items()}
        self._names = list(self.values)
        generator = torch.Generator().manual_seed(seed)
        self.logits = nn.ParameterList(
            nn.Parameter(_SPREAD * torch.randn(weightings, len(each), generator=generator))
            for each in self.values.values()
        )
        self.weightings = weightings

    def of(self, name: str, weighting: int = 0) -> Tensor:
        """Return the logits of a parameter's values, shape (values,)."""
        logits: Tensor = self.logits[self._names.index(name)][weighting]
        return logits

    def log_probabilities(self, name: str, weighting: int = 0) -> Tensor:
        """Return the logarithms of the probabilities of a parameter's values, shape (values,)."""
        return self.of(name, weighting).log_softmax(0)

    def probabilities(self, name: str, weighting: int = 0) -> Tensor:
        """Return the probabilities of a parameter's values, shape (values,)."""
        return self.of(name, weighting).softmax(0)

    def derived(self, weighting: int = 0) -> dict[str, Any]:
        """Return the most probable value of each parameter."""
        return {name: self.values[name][int(self.of(name, weighting).argmax())] for name in self._names}

    def drawn(self, rng: random.Random, weighting: int = 0, temperature: float = 1.0) -> dict[str, Any]:
        """Return a value of each parameter, drawn by the probabilities."""
        found = {}
        for name, values in self.values.items():
            weights = (self.of(name, weighting).detach() / temperature).softmax(0).tolist()
            found[name] = rng.choices(values, weights)[0]
        return found

    def gumbel(
        self, weighting: int, temperature: float, generator: torch.Generator
    ) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Draw a value of each parameter by Gumbel-softmax (Dong & Yang 2019, eq. 3 and 4).

        Args:
            weighting: The weighting of accuracy and cost.
            temperature: τ: the lower, the closer the gradient is to that of one choice, and the noisier.
            generator: Generator on the CPU.

        Returns:
            The values, and for each parameter a number 1 whose gradient is that of the drawn value's weight.
        """
        drawn, gates = {}, {}
        for name, values in self.values.items():
            logits = self.log_probabilities(name, weighting)
            uniform = torch.rand(len(values), generator=generator).clamp_min(1e-9)
            soft = ((logits - (-uniform.log()).log().to(logits.device)) / temperature).softmax(0)
            index = int(soft.argmax())
            drawn[name] = values[index]
            gates[name] = 1 + soft[index] - soft[index].detach()
        return drawn, gates

    def certainty(self, weighting: int = 0) -> float:
        """Return how decided it is: 0 for equal probabilities, 1 for one value of each parameter."""
        shares = []
        for name, values in self.values.items():
            if len(values) > 1:
                logs = self.log_probabilities(name, weighting).detach()
                shares.append(1 + float((logs.exp() * logs).sum()) / math.log(len(values)))
        return sum(shares) / len(shares) if shares else 1.0
