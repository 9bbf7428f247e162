"""Evolutionary search: regularised evolution for one objective, selection as in NSGA-II for several."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from optuna.study import Study

from optnas.errors import UserError
from optnas.samplers.base import CandidateSampler
from optnas.samplers.domain import Domain, crossed, mutated, sampled
from optnas.samplers.history import History, Observation, in_order

__all__ = ["EvolutionSampler"]


class EvolutionSampler(CandidateSampler):
    """Evolutionary sampler that mutates and crosses the best candidates so far.

    For one objective this is regularised evolution (Real et al. 2019, https://arxiv.org/abs/1802.01548):
    the population is the latest trials, so that every candidate dies of age, however lucky its training
    was; the best of a few drawn at random from it is the parent. For several objectives the population is
    the best of all trials in the order of NSGA-II (Deb et al. 2002): non-domination rank, then crowding
    distance with each objective scaled to [0, 1], costs by their logarithms.

    A child is its parent with one parameter changed, or two parents' subtrees exchanged at matching places.
    If there are too few complete trials, pruned ones are parents as well, ranked after them: those of the
    last rung first. There are no generations: each trial has its parents among the trials that ended
    before, so that no worker waits for another.

    Example:

        .. code::

            study = optuna.create_study(sampler=EvolutionSampler(seed=0))

    Args:
        domain: The search space; by default the parameters that the study's trials had so far.
        population: Size of the population; as many random trials come first.
        tournament: Number of candidates of which a parent is the best.
        crossover: Share of children that have two parents.
        seed: Seed of all randomness; by default a new one for each sampler.

    Raises:
        UserError: If a number is out of its range.
    """

    hands_down = "parent"

    def __init__(
        self,
        domain: Domain | None = None,
        *,
        population: int = 20,
        tournament: int = 8,
        crossover: float = 0.5,
        seed: int | None = None,
    ) -> None:
        super().__init__(domain, seed=seed)
        if population < 1 or tournament < 1:
            raise UserError("evolution: population and tournament must be at least 1")
        if not 0 <= crossover <= 1:
            raise UserError("evolution: crossover is a share, from 0 to 1")
        self._population = population
        self._tournament = tournament
        self._crossover = crossover

    def propose(self, study: Study, domain: Domain, history: History, rng: random.Random) -> dict[str, Any]:
        alive = self.population(history)
        if not alive or len(history.finished) + len(history.running) < self._population:
            return sampled(domain, rng)
        parent = self._parent(alive, rng)
        self._changed = [parent]
        if rng.random() < self._crossover:
            other = self._parent(alive, rng)
            self._changed.append(other)
            return crossed(domain, parent.params, other.params, rng)
        return mutated(domain, parent.params, rng)

    def population(self, history: History) -> list[Observation]:
        """Return the candidates that may be parents, the fittest first."""
        return self._fittest(history, self._population)

    def parents(self, history: History) -> list[Observation]:
        # Twice as many: by other trials one that was left behind may come to the front again.
        return self._fittest(history, 2 * self._population)

    def _fittest(self, history: History, count: int) -> list[Observation]:
        told = [observation for observation in history.finished if observation.reached is not None]
        if history.objectives == 1:
            told = told[-count:]
        return in_order(told, history)[:count]

    def _parent(self, alive: Sequence[Observation], rng: random.Random) -> Observation:
        """Return the fittest of a few candidates drawn at random."""
        few = rng.sample(range(len(alive)), min(self._tournament, len(alive)))
        return alive[min(few)]
