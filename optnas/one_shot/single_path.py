"""Single-path one-shot: architectures drawn evenly train the weights, on which evolution compares them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from optnas import pareto
from optnas.one_shot.learning import Batch
from optnas.one_shot.problem import Problem
from optnas.one_shot.strategy import Strategy
from optnas.space import SpaceError
from optnas.space.closing import Closing, decide_from

__all__ = ["SinglePath"]

_TRIES = 50
_DRAWS = 64


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
        self._seen: dict[tuple[tuple[str, Any], ...], tuple[float, ...] | None] = {}

    def _train_epoch(self) -> float:
        total, count = torch.zeros((), device=self.problem.device), 0
        for batch in self.learning.epoch():
            total += self._drawn_step(batch)
            count += 1
        return float(total) / max(count, 1)

    def _drawn_step(self, batch: Batch) -> torch.Tensor:
        for _ in range(_TRIES):
            try:
                network = self.net.path(self.net.drawn(self._rng))
            except SpaceError:
                continue  # cannot be built
            return self._learn(network.to(self.problem.device), batch, self._steps)
        raise SpaceError(f"none of {_TRIES} random architectures of the space can be built")

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
        """Evaluate architectures until there are :attr:`evaluations`."""
        tries = 0
        while len(self._seen) < self._evaluations and tries < 20 * self._evaluations:
            tries += 1
            if len(self._seen) < self._population:
                child = self.net.drawn(rng)
            else:
                alive = self._best_first()[: self._population]
                child = self._child(rng.choice(alive), rng.choice(alive), rng)
            self._evaluate(child)

    def _child(self, one: tuple[Any, ...], other: tuple[Any, ...], rng: random.Random) -> dict[str, Any]:
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

    def _evaluate(self, params: Mapping[str, Any]) -> None:
        closing = Closing(decide_from(params))
        closing.close(self.problem.space)
        key = tuple(closing.decided.items())
        if key in self._seen:
            return
        try:
            found = self.problem.losses_of(dict(key), self.inherited(dict(key)))
        except SpaceError:
            found = None
        self._seen[key] = None if found is None else tuple(found)

    def _best_first(self) -> list[tuple[tuple[str, Any], ...]]:
        rated = [(key, losses) for key, losses in self._seen.items() if losses is not None]
        if not rated:
            return []
        values = np.array([losses for _, losses in rated], dtype=float)
        return [rated[place][0] for place in pareto.best_first(values, np.full(values.shape[1], np.nan))]
