"""The expected cost of an architecture that is drawn by learned probabilities."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from optnas.one_shot.decisions import Decisions

__all__ = ["ExpectedCost"]

CostOf = Callable[[Mapping[str, Any]], float | None]
"""Returns the exact cost of parameters; ``None`` if their architecture cannot be built."""

_MOST_COUNTED = 2_048
_SAMPLES = 32
_SPREAD_SAMPLES = 64


class ExpectedCost:
    """Expected logarithm of an exact cost, whose gradient arrives at the probabilities.

    In a small space it is the sum over all architectures. In a larger one it is estimated from some that are
    drawn, with the gradient of the score function, each compared with the mean of the others (REINFORCE with
    a leave-one-out baseline; Kool et al. 2019).

    The scale is 0 for the cheapest and 1 for the dearest architecture seen; what cannot be built costs as
    much as the dearest.

    Args:
        cost_of: The exact cost of parameters.
        decisions: The probabilities.
        rng: Generator of what is drawn.
    """

    def __init__(self, cost_of: CostOf, decisions: Decisions, rng: random.Random) -> None:
        self._cost_of, self._decisions, self._rng = cost_of, decisions, rng
        values = decisions.values
        self._all: Tensor | None = None
        count = math.prod(len(each) for each in values.values())
        if count <= _MOST_COUNTED:
            everything = [
                dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())
            ]
        else:
            everything = [
                {name: rng.choice(each) for name, each in values.items()} for _ in range(_SPREAD_SAMPLES)
            ]
        logs = [self._log(params) for params in everything]
        built = [each for each in logs if each is not None] or [0.0]
        self._least, self._most = min(built), max(built)
        if count <= _MOST_COUNTED:
            self._all = torch.tensor([self._scaled(each) for each in logs])

    def __call__(self, weighting: int) -> Tensor:
        """Return the expected cost, from 0 to about 1."""
        return self._estimated(weighting) if self._all is None else self._summed(weighting, self._all)

    def of(self, params: Mapping[str, Any]) -> float:
        """Return the cost of an architecture, on the same scale."""
        return self._scaled(self._log(params))

    def _summed(self, weighting: int, costs: Tensor) -> Tensor:
        decisions = self._decisions
        total = torch.zeros(())
        for name in decisions.values:  # as an outer product: the last parameter varies fastest
            total = (total.reshape(-1, 1) + decisions.log_probabilities(name, weighting).cpu()).reshape(-1)
        return (total.exp() * costs).sum()

    def _estimated(self, weighting: int) -> Tensor:
        decisions = self._decisions
        drawn = [decisions.drawn(self._rng, weighting) for _ in range(_SAMPLES)]
        costs = torch.tensor([self._scaled(self._log(params)) for params in drawn])
        better = (costs - (costs.sum() - costs) / (_SAMPLES - 1)) / _SAMPLES
        score = torch.zeros(())
        for name, values in decisions.values.items():
            logs = decisions.log_probabilities(name, weighting).cpu()
            score = score + (better * logs[[values.index(params[name]) for params in drawn]]).sum()
        return costs.mean() + score - score.detach()

    def _log(self, params: Mapping[str, Any]) -> float | None:
        cost = self._cost_of(params)
        return None if cost is None else math.log10(max(cost, 1e-12))

    def _scaled(self, log: float | None) -> float:
        span = self._most - self._least
        return 1.0 if log is None else (log - self._least) / span if span else 0.0
