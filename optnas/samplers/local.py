"""Local search: step to a better neighbour until there is none, then restart."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.study import Study

from optnas.errors import UserError
from optnas.samplers.base import CandidateSampler
from optnas.samplers.domain import Domain, mutated, neighbours, sampled
from optnas.samplers.history import History, Observation

__all__ = ["LocalSampler"]

# Probability of leaving a local optimum by two steps at once. With 1 the search gets stuck where one optimum
# is far better than all around it; with 0 it wastes trials where good optima lie close together.
_LEAP = 0.5

# Probability of climbing from a random candidate of the front, not the least crowded. The least crowded are
# always the ends of the front, and beyond these there may be nothing.
_ANYWHERE = 0.5

# Peaks whose weights are kept, for each of the random starts; later ones are hardly ever climbed from.
_KEPT = 2

_Neighbours = dict[Hashable, dict[str, Any]]


class LocalSampler(CandidateSampler):
    """Local search sampler that climbs greedily from the best candidates, one parameter at a time.

    After White et al. 2020 (https://arxiv.org/abs/2004.08996). A *peak* is a candidate that none of its
    neighbours tried so far dominates. The neighbours of the best peak are tried in random order; the first
    that is better is the next peak. A peak with all neighbours tried is a local optimum: the search then
    restarts, half of the time two random steps from it, else from the next best peak. For several objectives
    the best peaks are those of the front inside the region of interest, at random the least crowded or any
    of them (Paquete et al. 2004, "Pareto local optimum sets in the biobjective traveling salesman problem").

    The peaks follow from the set of finished trials alone, whoever proposed them and in whatever order:
    enqueued trials are climbed from as well.

    Example:

        .. code::

            study = optuna.create_study(sampler=LocalSampler(seed=0))

    Args:
        domain: The search space; by default the parameters that the study's trials had so far.
        starts: Number of random trials at the beginning; the best of them are climbed from.
        seed: Seed of all randomness; by default a new one for each sampler.

    Raises:
        UserError: If ``starts`` is less than 1.
    """

    hands_down = "parent"

    def __init__(self, domain: Domain | None = None, *, starts: int = 20, seed: int | None = None) -> None:
        super().__init__(domain, seed=seed)
        if starts < 1:
            raise UserError("local: starts must be at least 1")
        self._starts = starts
        self._around: dict[int, _Neighbours] = {}
        self._around_in: Domain | None = None

    def propose(self, study: Study, domain: Domain, history: History, rng: random.Random) -> dict[str, Any]:
        if len(history.finished) + len(history.running) >= self._starts:
            for peak in self._peaks(domain, history, rng):
                self._changed = [peak]
                around = self._neighbours(domain, peak)
                untried = [params for key, params in around.items() if key not in history.seen]
                if untried:
                    return rng.choice(untried)
                if rng.random() < _LEAP:
                    return mutated(domain, peak.params, rng, steps=2)
        self._changed = ()
        return sampled(domain, rng)

    def parents(self, history: History) -> list[Observation]:
        complete = history.complete
        best = dict.fromkeys([*history.front(), *history.best_first(history.values)])
        return [complete[place] for place in best][: _KEPT * self._starts]

    def _peaks(self, domain: Domain, history: History, rng: random.Random) -> Iterator[Observation]:
        """Yield the candidates that none of their tried neighbours dominates, the best first."""
        complete = history.complete
        values = {domain.key(observation.params): observation.values for observation in complete}
        front: list[int] = []
        if history.objectives > 1 and rng.random() < _ANYWHERE:
            front = history.front()
            rng.shuffle(front)
        for i in dict.fromkeys([*front, *history.best_first(history.values)]):
            near = self._neighbours(domain, complete[i]).keys() & values.keys()
            if not any(_dominates(values[key], complete[i].values) for key in near):
                yield complete[i]

    def _neighbours(self, domain: Domain, observation: Observation) -> _Neighbours:
        """Return the feasible neighbours of a trial's candidate by key; always the same for a trial."""
        if domain is not self._around_in:
            self._around, self._around_in = {}, domain
        if observation.number not in self._around:
            rng = random.Random(f"{self._seed} around {observation.number}")
            self._around[observation.number] = {
                domain.key(params): params
                for params in neighbours(domain, observation.params, rng)
                if domain.known(params) is not None
            }
        return self._around[observation.number]


def _dominates(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return bool(np.all(one <= other) and np.any(one < other))
