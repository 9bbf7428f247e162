"""CMA-ES over continuous, integer and categorical parameters together, for one or two objectives."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
import random
import warnings
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from optuna.study import Study
from optuna.trial import TrialState

from optnas.errors import UserError
from optnas.pareto import best_first, front, hypervolume, scaled_to
from optnas.samplers.base import CandidateSampler
from optnas.samplers.domain import Domain, sampled
from optnas.samplers.history import History, Observation, follow
from optnas.samplers.vector import FixedShape

__all__ = ["CmaEsSampler"]

# Hypervolume is measured up to a bit beyond the worst value of each objective, which is at 1.
_REFERENCE = 1.1
# What failed counts as far beyond all others.
_FAILED = 10.0
# How many batches in a row may hold nothing that is not known yet before the search starts anew.
_KNOWN_BATCHES = 20
# How many batches' worth of other trials may end before what a batch still misses is given up.
_PATIENCE = 3
# A kernel's variance at first is a share of its parents' and a width of its own, in each number's range,
# which is narrower where kernels begin anew; and so much of a category's share is the parents'.
_SPREAD = 0.5
_WIDTH = 0.1
_LEAST_WIDTH = 0.04
_OWN_SHARE = 0.8
# After so many rounds there are twice as many kernels, and a round is a batch of each kernel longer: few
# kernels, often recombined, get to the front quickly; many that adapt at length cover it.
_ROUNDS = 3
_MOST_KERNELS = 24
_MOST_BATCHES = 6


class CmaEsSampler(CandidateSampler):
    """CMA-ES that takes numbers and categories as they come, for one or two objectives.

    For one objective it is CatCMA with margin, for two COMO-CatCMA with margin (Hamano et al. 2025,
    https://arxiv.org/abs/2504.07884), of the package ``cmaes``: several *kernels*, each a Gaussian and
    categorical distribution, take turns to move to where they add most hypervolume to the others. Costs
    that span decades are taken by their logarithms, and each objective is brought to [0, 1].

    A kernel starts where the best trials so far for its part of the front have their mean. With two
    objectives the search goes in rounds: in each of them all kernels start anew from everything that was
    found, later on more of them and for more batches.

    A batch of candidates is evaluated by as many trials. What was known already is not evaluated
    again; what was pruned is told what it had reached, what failed the worst seen. A worker that finds all
    of the batch under way draws from the same distribution, and what it finds stands in for whatever is
    still missing; and what never ends is given up: nobody waits, and no lost trial holds the others up.

    Example:

        .. code::

            study = optuna.create_study(directions=["maximize", "minimize"], sampler=CmaEsSampler(seed=0))

    Args:
        domain: What may be proposed; by default the parameters that the study's trials had so far.
        starts: How many trials at random come first.
        kernels: How many kernels there are for two objectives at first.
        seed: Of everything random; by default a new one for each sampler.

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
        """Refuse a study of so many objectives, if this sampler cannot search it.

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
    """A solution of the optimiser, and what it stands for."""

    solution: Any
    params: dict[str, Any]
    key: Hashable


class _Search:
    """The state of the optimiser: a fold over the trials.

    Args:
        domain: What may be proposed.
        worst: Returns the worst value of each objective that is of use, given some.
        starts: How many trials at random come first.
        kernels: How many kernels there are for two objectives at first.
        seed: Of everything random.
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
        self._shape = FixedShape(domain)
        self._objectives = 0
        self._starts = starts
        self._kernels = kernels
        self._seed = seed
        # What each candidate was found to be; None stands for the worst.
        self._found: dict[Hashable, NDArray[np.float64] | None] = {}
        self._complete: list[Observation] = []
        self._optimizer: _Optimizer | None = None
        self._begun = 0
        self._until = 0
        self._batch: list[_Asked] = []
        # Drawn in addition to the batch from the same distribution, and what was known when it was asked.
        self._stand_ins: list[_Asked] = []
        self._known: frozenset[Hashable] = frozenset()
        self._asked_after = 0

    def proposal(self, running: frozenset[Hashable], seed: int) -> dict[str, Any] | None:
        """Return what to try next, or nothing as long as the search has not started."""
        if self._optimizer is None:
            return None
        for asked in self._batch:
            if asked.key not in self._found and asked.key not in running:
                return asked.params
        return self._drawn(seed).params

    def fold(self, observation: Observation) -> None:
        """Take in how a trial ended."""
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
        """Start from what was found so far, with more kernels each time."""
        self._begun += 1
        rng = np.random.RandomState(np.random.SeedSequence([self._seed, self._begun]).generate_state(1))
        two = self._objectives == 2
        stage = (self._begun - 1) // _ROUNDS
        count = min(self._kernels * 2**stage, _MOST_KERNELS) if two else 1
        space = self._scaled([observation.values for observation in self._complete])
        width = max(_WIDTH / self._begun, _LEAST_WIDTH)
        kernels = []
        for centre in _spread(space, count):
            # The nearest to dominating the centre come first (Wierzbicki 1980's achievement).
            near = np.argsort((space - space[centre]).max(axis=1), kind="stable")
            kernels.append(_kernel(self._shape, [self._complete[i].params for i in near], width, rng))
        self._optimizer = _Two(self._shape, kernels, rng.randint(2**31)) if two else _One(kernels[0])
        batches = min(1 + stage, _MOST_BATCHES)
        self._until = len(self.folded) + count * (_population(self._shape) + 1) * batches
        self._ask()

    def _scaled(self, values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return values as they are compared, up to 1 as far as they are of use."""
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
        """Return a candidate of the present kernel that was not known when the batch was asked."""
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
        """Tell the optimiser every batch that has been evaluated."""
        for _ in range(_KNOWN_BATCHES):
            for asked in self._batch:
                if asked.key not in self._found and self.domain.known(asked.params) is None:
                    self._found[asked.key] = None  # known to be of no use without a trial
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
            warnings.simplefilter("ignore", RuntimeWarning)  # of a batch whose values are all the same
            self._optimizer.tell(pairs, told)


def _told(observation: Observation) -> NDArray[np.float64] | None:
    """Return the values that stand for a trial; ``None`` for the worst."""
    values = observation.values
    if observation.state == TrialState.PRUNED and observation.rungs:
        values = observation.rungs[max(observation.rungs)]
    return values if observation.violation == 0 and np.isfinite(values).all() else None


def _spread(space: NDArray[np.float64], count: int) -> list[int]:
    """Return ``count`` points, those of the front that add most hypervolume to the others first.

    Where there are fewer points, some come again.
    """
    reference = [_REFERENCE] * space.shape[1]
    left = front(space).tolist()
    chosen: list[int] = []
    while left and len(chosen) < count:
        chosen.append(max(left, key=lambda i: hypervolume(space[[*chosen, i]], reference)))
        left.remove(chosen[-1])
    others = [i for i in best_first(space).tolist() if i not in chosen]
    return list(itertools.islice(itertools.cycle([*chosen, *others]), count))


def _kernel(
    shape: FixedShape, found: Sequence[Mapping[str, Any]], width: float, rng: np.random.RandomState
) -> Any:
    """Return a distribution around the mean of the first few of ``found``, the best first.

    They are recombined as CMA-ES does with a population, and their distances from each other tell the
    distribution its shape (after Nomura et al. 2021, "Warm starting CMA-ES for hyperparameter
    optimization"). A number that none of them has begins anywhere.
    """
    from cmaes import CatCMAwM

    parents = found[: _population(shape) // 2]
    weights = math.log(len(parents) + 0.5) - np.log(np.arange(1, len(parents) + 1))
    places = np.ma.masked_invalid([shape.places(params) for params in parents])
    mean = np.ma.average(places, axis=0, weights=weights)
    variance = np.ma.filled(np.ma.average((places - mean) ** 2, axis=0, weights=weights), 0.0)
    shares = None
    if shape.categories:
        own = np.average([shape.shares(params) for params in parents], axis=0, weights=weights)
        shares = _OWN_SHARE * own + (1 - _OWN_SHARE) * shape.shares({})
    return CatCMAwM(
        x_space=shape.continuous or None,
        z_space=shape.stepped or None,
        c_space=shape.categories or None,
        population_size=_population(shape),
        mean=np.where(np.ma.getmaskarray(mean), rng.uniform(size=mean.shape), np.ma.filled(mean, 0.0)),
        cov=np.diag(_SPREAD * variance + width**2),
        cat_param=shares,
        seed=rng.randint(2**31),
    )


def _population(shape: FixedShape) -> int:
    """Return CMA-ES's usual size of a batch (Hansen 2016, https://arxiv.org/abs/1604.00772)."""
    return 4 + int(3 * math.log(shape.size))


class _Optimizer(Protocol):
    """What both optimisers of the package have in common here."""

    @property
    def kernel(self) -> Any:
        """The distribution that the batch comes from."""

    def batch(self) -> list[Any]:
        """Return the solutions to evaluate next."""

    def instead(self, solution: Any, other: Any) -> Any:
        """Return ``other`` as it is to be told in the place of ``solution``."""

    def tell(
        self, pairs: Sequence[tuple[Any, Hashable]], values: dict[Hashable, NDArray[np.float64]]
    ) -> None:
        """Take in a whole batch, each solution by the key of its values."""


class _One:
    """For one objective: a single kernel."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel

    def batch(self) -> list[Any]:
        return [self.kernel.ask() for _ in range(self.kernel.population_size)]

    def instead(self, solution: Any, other: Any) -> Any:
        return other

    def tell(
        self, pairs: Sequence[tuple[Any, Hashable]], values: dict[Hashable, NDArray[np.float64]]
    ) -> None:
        self.kernel.tell([(solution, values[key][0]) for solution, key in pairs])


class _Two:
    """For two objectives: kernels that take turns, each by the hypervolume that it adds to the others'.

    Each kernel's *incumbent*, what it deems best, is evaluated too: hypervolume is measured against those.
    """

    def __init__(self, shape: FixedShape, kernels: list[Any], seed: int) -> None:
        from cmaes import COMOCatCMAwM

        self._optimizer = COMOCatCMAwM(
            x_space=shape.continuous or None,
            z_space=shape.stepped or None,
            c_space=shape.categories or None,
            reference_point=[_REFERENCE] * 2,
            kernels=kernels,
            seed=seed,
        )
        self._incumbents: dict[int, tuple[Any, Hashable]] = {}

    @property
    def kernel(self) -> Any:
        return self._optimizer.current_kernel

    def batch(self) -> list[Any]:
        return list(self._optimizer.ask_iter())

    def instead(self, solution: Any, other: Any) -> Any:
        return dataclasses.replace(solution, x=other.x, z=other.z, c=other.c, _v_raw=other._v_raw)

    def tell(
        self, pairs: Sequence[tuple[Any, Hashable]], values: dict[Hashable, NDArray[np.float64]]
    ) -> None:
        # The scale of the values changes with all that is found: the incumbents are told anew each time.
        for solution, key in pairs:
            if solution._incumbent_id is not None:
                self._incumbents[solution._incumbent_id] = solution, key
        population = [pair for pair in pairs if pair[0]._incumbent_id is None]
        told = [*self._incumbents.values(), *population]
        self._optimizer.tell([(solution, values[key]) for solution, key in told])
