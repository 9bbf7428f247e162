"""CMA-ES over continuous, integer and categorical parameters together, for one or two objectives."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import random
import warnings
from collections import defaultdict
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.study import Study
from optuna.trial import TrialState

from optnas.errors import UserError
from optnas.pareto import best_first, front, hypervolume, scaled_to
from optnas.samplers.base import CandidateSampler
from optnas.samplers.cmaes_kernels import (
    REFERENCE,
    BiObjective,
    Optimizer,
    SingleObjective,
    new_kernel,
    population_size,
)
from optnas.samplers.domain import Domain, sampled
from optnas.samplers.history import History, Observation, follow
from optnas.samplers.vector import VectorSpace

__all__ = ["CmaEsSampler"]

# Value of a failed trial: far beyond all others.
_FAILED = 10.0
# After so many batches in a row whose candidates were all evaluated before, the search restarts.
_KNOWN_BATCHES = 20
# After so many batches' worth of other trials, a batch's missing evaluations are given up.
_PATIENCE = 3
# A kernel's initial width, in units of each number's range, shrinks with each restart.
_WIDTH = 0.1
_LEAST_WIDTH = 0.04
# After so many rounds the number of kernels doubles, and each kernel has one batch more in a round: few
# kernels that restart often reach the front quickly, many that adapt for long cover it.
_ROUNDS = 3
_MOST_KERNELS = 24
_MOST_BATCHES = 6


class CmaEsSampler(CandidateSampler):
    """CMA-ES sampler for numerical and categorical parameters, with one or two objectives.

    For one objective it is CatCMA with margin, for two COMO-CatCMA with margin (Hamano et al. 2025,
    https://arxiv.org/abs/2504.07884), of the package ``cmaes``: several *kernels*, each a Gaussian and
    categorical distribution, take turns to move to where they add most hypervolume to the others. Costs
    that span decades are compared by their logarithms, and each objective is scaled to [0, 1].

    A kernel starts at the mean of the best trials so far for its part of the front. With two objectives
    the search runs in rounds: in each round all kernels restart from all trials so far, in later rounds
    with more kernels and more batches.

    Each candidate of a batch is evaluated by one trial, unless it was evaluated before. A pruned trial
    counts with the values at its last rung, a failed one as far worse than all others. If all candidates of
    the batch are running, a worker draws another one from the same distribution, whose result replaces
    a missing one. Evaluations that never end are given up. So no worker waits, and no lost trial holds up
    the others.

    Example:

        .. code::

            study = optuna.create_study(directions=["maximize", "minimize"], sampler=CmaEsSampler(seed=0))

    Args:
        domain: The search space; by default the parameters that the study's trials had so far.
        starts: Number of random trials at the beginning.
        kernels: Initial number of kernels for two objectives.
        seed: Seed of all randomness; by default a new one for each sampler.

    Raises:
        UserError: If a number is out of its range, or the study has more than two objectives.
    """

    def __init__(
        self,
        domain: Domain | None = None,
        *,
        starts: int = 20,
        kernels: int = 3,
        seed: int | None = None,
    ) -> None:
        super().__init__(domain, seed=seed)
        if starts < 1 or kernels < 2:
            raise UserError("cmaes: starts must be at least 1 and kernels at least 2")
        self._starts = starts
        self._kernels = kernels
        self._search: _Search | None = None

    @staticmethod
    def check_objectives(count: int) -> None:
        """Raise an error if this sampler cannot search a study of ``count`` objectives.

        Raises:
            UserError: If there are more than two.
        """
        if count > 2:
            raise UserError(f"cmaes takes one or two objectives, not {count}: use ehvi or evolution")

    def propose(self, study: Study, domain: Domain, history: History, rng: random.Random) -> dict[str, Any]:
        self.check_objectives(history.objectives)
        seed = rng.getrandbits(32)
        self._search = follow(self._search, partial(self._begin, history), domain, history)
        running = frozenset(map(domain.key, history.running))
        return self._search.proposal(running, seed) or sampled(domain, rng)

    def _begin(self, history: History, domain: Domain) -> _Search:
        return _Search(domain, history.worst, self._starts, self._kernels, self._seed)


@dataclasses.dataclass(frozen=True)
class _Asked:
    """A solution of the optimiser and the candidate that it encodes."""

    solution: Any
    params: dict[str, Any]
    key: Hashable


class _Search:
    """State of the search, updated by one finished trial after another.

    Args:
        domain: The search space.
        worst: Returns the worst value of each objective inside the region of interest, given the values
            found so far.
        starts: Number of random trials at the beginning.
        kernels: Initial number of kernels for two objectives.
        seed: Seed of all randomness.
    """

    def __init__(
        self,
        domain: Domain,
        worst: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        starts: int,
        kernels: int,
        seed: int,
    ) -> None:
        self.domain = domain
        self._worst = worst
        self.folded: list[int] = []
        self._shape = VectorSpace(domain)
        self._objectives = 0
        self._starts = starts
        self._kernels = kernels
        self._seed = seed
        # The values of each evaluated candidate; None stands for the worst.
        self._found: dict[Hashable, NDArray[np.float64] | None] = {}
        self._complete: list[Observation] = []
        self._optimizer: Optimizer | None = None
        self._begun = 0
        self._until = 0
        self._batch: list[_Asked] = []
        # Candidates drawn beside the batch from the same distribution, and the keys of the candidates that
        # had been evaluated when the batch was asked for.
        self._stand_ins: list[_Asked] = []
        self._known: frozenset[Hashable] = frozenset()
        self._asked_after = 0

    def proposal(self, running: frozenset[Hashable], seed: int) -> dict[str, Any] | None:
        """Return the candidate to try next; ``None`` before the first round."""
        if self._optimizer is None:
            return None
        for asked in self._batch:
            if asked.key not in self._found and asked.key not in running:
                return asked.params
        return self._drawn(seed).params

    def fold(self, observation: Observation) -> None:
        """Update the state with a finished trial."""
        self._objectives = len(observation.values)
        key = self.domain.key(observation.params)
        if self._optimizer is not None and all(asked.key != key for asked in self._batch):
            drawn = self._drawn(random.Random(f"{self._seed} {observation.number}").getrandbits(32))
            if drawn.key == key:
                self._stand_ins.append(drawn)
        told = _told(observation)
        if told is not None or key not in self._found:
            self._found[key] = told
        if observation.complete:
            self._complete.append(observation)
        if self._optimizer is not None:
            self._advance()
        elif len(self.folded) >= self._starts and self._complete and self._shape.size:
            self._begin()
            self._advance()

    def _begin(self) -> None:
        """Start a round with new kernels around the best trials so far; later rounds have more of them."""
        self._begun += 1
        rng = np.random.RandomState(np.random.SeedSequence([self._seed, self._begun]).generate_state(1))
        two = self._objectives == 2
        stage = (self._begun - 1) // _ROUNDS
        count = min(self._kernels * 2**stage, _MOST_KERNELS) if two else 1
        space = self._scaled([observation.values for observation in self._complete])
        width = max(_WIDTH / self._begun, _LEAST_WIDTH)
        kernels = []
        for centre in _spread(space, count):
            # Sort the trials by Wierzbicki's achievement function (1980): the nearest to dominating the
            # centre come first.
            near = np.argsort((space - space[centre]).max(axis=1), kind="stable")
            kernels.append(new_kernel(self._shape, [self._complete[i].params for i in near], width, rng))
        self._optimizer = (
            BiObjective(self._shape, kernels, rng.randint(2**31)) if two else SingleObjective(kernels[0])
        )
        batches = min(1 + stage, _MOST_BATCHES)
        self._until = len(self.folded) + count * (population_size(self._shape) + 1) * batches
        self._ask()

    def _scaled(self, values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the values as they are compared: at most 1 inside the region of interest."""
        points = np.array(values)
        return scaled_to(points, self._worst(points))

    def _ask(self) -> None:
        assert self._optimizer is not None
        self._batch = [self._asked(solution) for solution in self._optimizer.batch()]
        self._stand_ins = []
        self._known = frozenset(self._found)
        self._asked_after = len(self.folded)

    def _asked(self, solution: Any) -> _Asked:
        params = self._shape.decoded(solution.x, solution.z, solution.c)
        return _Asked(solution, params, self.domain.key(params))

    def _drawn(self, seed: int) -> _Asked:
        """Draw a candidate from the current kernel, if possible one neither evaluated nor in the batch."""
        assert self._optimizer is not None
        kernel = copy.deepcopy(self._optimizer.kernel)
        kernel.reseed_rng(seed)
        batch = {asked.key for asked in self._batch}
        for _ in range(20):
            drawn = self._asked(kernel.ask())
            if drawn.key not in self._known and drawn.key not in batch:
                break
        return drawn

    def _advance(self) -> None:
        """Tell the optimiser evaluated batches and ask for new ones until one has to be evaluated."""
        for _ in range(_KNOWN_BATCHES):
            for asked in self._batch:
                if asked.key not in self._found and self.domain.known(asked.params) is None:
                    self._found[asked.key] = None  # infeasible, which is known without a trial
            missing = sum(asked.key not in self._found for asked in self._batch)
            waited = len(self.folded) - self._asked_after
            if missing > len(self._stand_ins) and waited < _PATIENCE * len(self._batch):
                return
            self._tell()
            if self._objectives == 2 and len(self.folded) >= self._until:
                break
            self._ask()
        self._begin()

    def _tell(self) -> None:
        assert self._optimizer is not None
        stand_ins = iter(self._stand_ins)
        told: dict[Hashable, NDArray[np.float64]] = defaultdict(lambda: np.full(self._objectives, _FAILED))
        values = {key: value for key, value in self._found.items() if value is not None}
        if values:
            told.update(zip(values, self._scaled(list(values.values())), strict=True))
        pairs = []
        for asked in self._batch:
            other = None if asked.key in self._found else next(stand_ins, None)
            if other is None:
                pairs.append((asked.solution, asked.key))
            else:
                pairs.append((self._optimizer.instead(asked.solution, other.solution), other.key))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # raised if all values of a batch are equal
            self._optimizer.tell(pairs, told)


def _told(observation: Observation) -> NDArray[np.float64] | None:
    """Return the values to tell the optimiser for a trial; ``None`` stands for the worst."""
    values = observation.values
    if observation.state == TrialState.PRUNED and observation.rungs:
        values = observation.rungs[max(observation.rungs)]
    return values if observation.violation == 0 and np.isfinite(values).all() else None


def _spread(space: NDArray[np.float64], count: int) -> list[int]:
    """Return the indices of ``count`` points to start kernels at, spread along the front.

    First come those of the front, each the one that adds most hypervolume to those before it, then the
    others in the order of NSGA-II. If there are fewer points, some are repeated.
    """
    reference = [REFERENCE] * space.shape[1]
    left = front(space).tolist()
    chosen: list[int] = []
    while left and len(chosen) < count:
        chosen.append(max(left, key=lambda i: hypervolume(space[[*chosen, i]], reference)))
        left.remove(chosen[-1])
    others = [i for i in best_first(space).tolist() if i not in chosen]
    return list(itertools.islice(itertools.cycle([*chosen, *others]), count))
