"""Single-path one-shot: architectures drawn evenly train the weights, on which evolution compares them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from optnas import pareto
from optnas.one_shot.inherited import Inherited, Key
from optnas.one_shot.learning import Batch
from optnas.one_shot.problem import Problem
from optnas.one_shot.strategy import Strategy

__all__ = ["SinglePath"]

# A space from which so many tries in a row bring nothing new has hardly anything else.
_IN_VAIN = 200


class SinglePath(Strategy):
    """Single-path one-shot search with evolution (Guo et al. 2020, https://arxiv.org/abs/1904.00420).

    Each training step is of one architecture, drawn evenly from the space. Then evolution looks for the best,
    by what they reach on the validation part with the weights that they inherit, and by their exact costs;
    batch norms get the statistics of each of them first.

    Args:
        problem: What is searched for.
        epochs: Passes over the training part.
        seed: Seed of everything random.
        evaluations: The number of architectures that evolution evaluates.
        population: The number of the best that have children.
    """

    def __init__(
        self, problem: Problem, epochs: int, seed: int = 0, *, evaluations: int = 300, population: int = 40
    ) -> None:
        super().__init__(problem, epochs, seed)
        self._evaluations, self._population = evaluations, population
        self._steps = self.learning.steps()
        self._inherited = Inherited(problem, self.net, self._losses)

    def _train_epoch(self) -> float:
        total, count = torch.zeros((), device=self.problem.device), 0
        for batch in self.learning.epoch():
            total += self._drawn_step(batch)
            count += 1
        return float(total) / max(count, 1)

    def _drawn_step(self, batch: Batch) -> torch.Tensor:
        network = self._until_built(lambda: self.net.path(self.net.drawn(self._rng)))
        return self._learn(network.to(self.problem.device), batch, self._steps)

    def inherited(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Return the validation metrics of an architecture with the weights that it inherits."""
        return self.learning.metrics(self.net.path(params).to(self.problem.device))

    def proposals(self, rng: random.Random) -> Iterator[dict[str, Any]]:
        self._evolve(rng)
        for key in self._best_first():
            yield dict(key)
        while True:
            yield self.net.drawn(rng)

    def _evolve(self, rng: random.Random) -> None:
        """Evaluate architectures until there are enough, or hardly any are left that are new."""
        found, in_vain, alive = self._inherited.found, 0, list[Key]()
        while len(found) < self._evaluations and in_vain < _IN_VAIN:
            if len(found) < self._population or not alive:
                child = self.net.drawn(rng)
            else:
                child = self._child(rng.choice(alive), rng.choice(alive), rng)
            before = len(found)
            self._inherited.evaluate(child)
            in_vain = in_vain + 1 if len(found) == before else 0
            # Ranking them all takes longer than many an evaluation: only what is new changes it.
            if not in_vain:
                alive = self._best_first()[: self._population]

    def _child(self, one: Key, other: Key, rng: random.Random) -> dict[str, Any]:
        """Return a child: half of the time of two parents, else of one with a few values drawn anew."""
        values, first, second = self.net.values, dict(one), dict(other)
        crossed = rng.random() < 0.5
        child, share = {}, 1.5 / max(len(values), 1)
        for name, options in values.items():
            own = first.get(name, second.get(name))
            if crossed and rng.random() < 0.5:
                own = second.get(name, own)
            if own is None or (not crossed and rng.random() < share):
                own = rng.choice(options)
            child[name] = own
        return child

    def _losses(self, params: dict[str, Any], network: nn.Module) -> Sequence[float] | None:
        return self.problem.losses_of(params, self.learning.metrics(network))

    def _best_first(self) -> list[Key]:
        rated = self._inherited.feasible
        if not rated:
            return []
        keys, values = list(rated), np.array(list(rated.values()), dtype=float)
        return [keys[place] for place in pareto.best_first(values, np.full(values.shape[1], np.nan))]
