"""Learned probabilities of the values of every open parameter of a space."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from optnas.errors import UserError

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

    Raises:
        UserError: If there is no parameter.
    """

    def __init__(self, values: Mapping[str, Sequence[Any]], weightings: int = 1, seed: int = 0) -> None:
        super().__init__()
        if not values:
            raise UserError(
                "the space leaves nothing open that one-shot search could decide: use another sampler,"
                " such as ehvi"
            )
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

    def best(self, name: str, weighting: int, *, but: Any) -> Any:
        """Return the most probable value of a parameter beside ``but``."""
        logits = self.of(name, weighting).tolist()
        rated = zip(logits, self.values[name], strict=True)
        return max((each for each in rated if each[1] != but), key=lambda each: each[0])[1]

    def leaning(self, weighting: int, values: Mapping[str, Any]) -> list[Tensor]:
        """Return a weighting's logits, by parameter, with those of ``values`` the most probable ones."""
        found = [each[weighting].detach().clone() for each in self.logits]
        for name, value in values.items():
            logits, place = found[self._names.index(name)], self.values[name].index(value)
            swapped = [int(logits.argmax()), place]
            logits[swapped] = logits[swapped[::-1]]
        return found

    def put(self, weighting: int, logits: Sequence[Tensor]) -> None:
        """Take over logits of a weighting that :meth:`leaning` returned."""
        for each, values in zip(self.logits, logits, strict=True):
            each.data[weighting] = values

    def drawn(self, rng: random.Random, weighting: int = 0, temperature: float = 1.0) -> dict[str, Any]:
        """Return a value of each parameter, drawn by the probabilities."""
        found = {}
        for name, values in self.values.items():
            weights = (self.of(name, weighting).detach() / temperature).softmax(0).tolist()
            found[name] = rng.choices(values, weights)[0]
        return found

    def gate(self, name: str, value: Any, weighting: int, temperature: float, rng: random.Random) -> Tensor:
        """Return a number 1 whose gradient is that of a drawn value's weight in Gumbel-softmax.

        Dong & Yang 2019, eq. 3 and 4: softmax of logits and noise, straight through, given that ``value``
        won.

        Args:
            name: The parameter.
            value: Its value that was drawn.
            weighting: The weighting of accuracy and cost.
            temperature: τ: the lower, the closer the gradient is to that of one choice, and the noisier.
            rng: Generator of the noise.
        """
        logits = self.log_probabilities(name, weighting)
        index = self.values[name].index(value)
        noise = _noise_with_winner(logits.detach().tolist(), index, rng)
        soft = ((logits + logits.new_tensor(noise)) / temperature).softmax(0)[index]
        return 1 + soft - soft.detach()

    def score(self, params: Mapping[str, Any], weighting: int) -> Tensor:
        """Return the logarithm of the probability of some parameters' values."""
        logs = [
            self.log_probabilities(name, weighting)[self.values[name].index(value)]
            for name, value in params.items()
        ]
        return torch.stack(logs).sum() if logs else torch.zeros(())


def _noise_with_winner(logs: Sequence[float], winner: int, rng: random.Random) -> list[float]:
    """Return Gumbel noise, given which sum with a log-probability is largest (Maddison et al. 2014)."""
    top = -math.log(-math.log(_uniform(rng)))  # of the largest sum, as the probabilities add up to 1
    sums = []
    for place, log in enumerate(logs):
        if place == winner:
            sums.append(top)
        else:
            free = log - math.log(-math.log(_uniform(rng)))
            sums.append(-math.log(math.exp(-top) + math.exp(-free)))
    return [total - log for total, log in zip(sums, logs, strict=True)]


def _uniform(rng: random.Random) -> float:
    return min(max(rng.random(), 1e-12), 1 - 1e-12)
