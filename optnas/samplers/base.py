"""Base class of samplers that propose all parameters of a trial at once."""

from __future__ import annotations

import random
import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optnas.errors import check_whole
from optnas.samplers.domain import Domain, FlatDomain, enumerated, mutated, sampled
from optnas.samplers.history import History, HistoryReader, Observation
from optnas.space.closing import draw
from optnas.trials.optuna_internals import cached_trials
from optnas.trials.record import PARENT
from optnas.turn import lent_for

__all__ = ["CandidateSampler", "unwrapped"]

# Number of random changes to a proposal that was tried before. If all fail, the search space is enumerated,
# if it has no more than so many candidates.
_TRIES = 100
_MOST_ENUMERATED = 50_000

# Of more workers that ask at the same time the latest count: each takes the time of a proposal.
_MOST_UNDECIDED = 4

# Threads of ``study.optimize(n_jobs=…)`` share a sampler and the trials that it has read.
_ONE_AT_A_TIME = threading.Lock()


class CandidateSampler(BaseSampler):
    """Base class of samplers that propose whole candidates, none of them twice while others are left.

    A proposal depends on the trials in the storage, the seed and the trial's number, and on nothing that
    this process did before. So every worker proposes the same, and an interrupted search resumes as if it
    had not been interrupted. For running trials whose parameters are not written yet, it is assumed that they
    get what this sampler would propose for them.

    Args:
        domain: The search space. By default it is the parameters that the study's trials had so far;
            parameters that no trial had yet are drawn at random, as in any Optuna study.
        seed: Seed of all randomness; by default a new one for each sampler.

    Attributes:
        hands_down: What weights its candidates can begin with: ``"parent"`` if :meth:`propose` notes the
            trials that it changed, ``"one-shot"`` if it trains a supernet.

    Raises:
        UserError: If the seed is no whole number of at least 0.
    """

    hands_down: ClassVar[str | None] = None

    def __init__(self, domain: Domain | None = None, *, seed: int | None = None) -> None:
        if seed is not None:
            seed = int(seed) if isinstance(seed, np.integer) else seed
            check_whole(type(self).__name__, 0, seed=seed)
        self._given = domain
        self._inferred = FlatDomain({})
        self._everything: tuple[Domain, list[dict[str, Any]] | None] | None = None
        self._seed = random.SystemRandom().randrange(2**32) if seed is None else seed
        self._reader = HistoryReader()
        self._changed: Sequence[Observation] = ()

    def use(self, domain: Domain) -> None:
        """Search ``domain``, unless a domain was given when the sampler was made."""
        if self._given is None:
            self._given = domain

    @abstractmethod
    def propose(self, study: Study, domain: Domain, history: History, rng: random.Random) -> dict[str, Any]:
        """Return the candidate to try next.

        Args:
            study: The study, for its directions and number of objectives.
            domain: The search space; it has at least one parameter.
            history: All other trials of the study.
            rng: Random generator, seeded for this trial.
        """

    def parents(self, history: History) -> list[Observation]:
        """Return the trials that may yet be changed into candidates, with some to spare; none by default."""
        return []

    def parents_in(self, study: Study) -> list[int]:
        """Return the numbers of the trials that may yet be changed into candidates."""
        domain = self._domain(study)
        with lent_for(_ONE_AT_A_TIME):
            return [each.number for each in self.parents(self._reader.read(study, domain, -1))]

    def reseed_rng(self) -> None:
        """Do nothing: each trial already has a seed of its own."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._domain(study).distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        domain = self._domain(study)
        if not domain.distributions:
            return {}
        with lent_for(_ONE_AT_A_TIME):
            history = self._reader.read(study, domain, trial.number)
            # What other workers propose at this moment, as they see hardly less: else it would be this, too.
            for number in self._reader.undecided(trial.number)[-_MOST_UNDECIDED:]:
                other = self._candidate(study, domain, history, number)
                history = history.with_running(other, domain.key(other))
            candidate = self._candidate(study, domain, history, trial.number)
            self._reader.proposed(trial.number, candidate)
            parent = min(self._changed, key=lambda each: _differences(each.params, candidate), default=None)
        if parent is not None:
            PARENT.put_in(study, trial, parent.number)
        # Optuna asks for fewer parameters if another sampler fixes the rest, as PartialFixedSampler does.
        return {name: value for name, value in candidate.items() if name in search_space}

    def _candidate(self, study: Study, domain: Domain, history: History, number: int) -> dict[str, Any]:
        rng = random.Random(f"{self._seed} {number}")
        self._changed = ()
        return self._unseen(self.propose(study, domain, history, rng), domain, history, rng)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return draw(param_distribution, random.Random(f"{self._seed} {trial.number} {param_name}"))

    def _domain(self, study: Study) -> Domain:
        if self._given is not None:
            return self._given
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        found = FlatDomain.of(cached_trials(study, *states))
        known = self._inferred
        if (found.distributions, found.inactive_with) != (known.distributions, known.inactive_with):
            self._inferred = found
        return self._inferred

    def _unseen(
        self, proposal: dict[str, Any], domain: Domain, history: History, rng: random.Random
    ) -> dict[str, Any]:
        """Return ``proposal`` or, if it was tried before, a similar candidate that was not."""
        candidate = proposal
        for attempt in range(_TRIES):
            if domain.key(candidate) not in history.seen:
                return candidate
            # First ever further away from the proposal, then anywhere in the search space.
            steps = 1 + attempt // 10
            near = attempt < _TRIES // 2
            candidate = mutated(domain, proposal, rng, steps=steps) if near else sampled(domain, rng)
        if self._everything is None or self._everything[0] is not domain:
            self._everything = domain, enumerated(domain, _MOST_ENUMERATED)
        left = [c for c in self._everything[1] or () if domain.key(c) not in history.seen]
        return rng.choice(left) if left else proposal


def unwrapped(sampler: Any) -> Any:
    """Return the sampler within those that only change its first proposals, or how trials look to it."""
    while (within := getattr(sampler, "wrapped", None)) is not None:
        sampler = within
    return sampler


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    """Return the number of parameters that two candidates do not have in common."""
    nothing = object()
    return sum(one.get(name, nothing) != other.get(name, nothing) for name in one.keys() | other.keys())
