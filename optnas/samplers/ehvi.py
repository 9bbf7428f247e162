"""Sampler by expected hypervolume improvement that takes costs known before a trial as exact."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial

from optnas import pareto
from optnas.samplers.base import CandidateSampler
from optnas.samplers.domain import Domain, enumerated, mutated, neighbours, sampled
from optnas.samplers.encoding import Encoding
from optnas.samplers.fidelity import Evidence, evidence
from optnas.samplers.forecast import Forecast
from optnas.samplers.gaussian_process import count_at_last_refit
from optnas.samplers.history import History
from optnas.samplers.scored import ScoredDomain
from optnas.samplers.screening import Screened, screened
from optnas.samplers.surrogate import Candidates, Surrogate
from optnas.trials.optuna_internals import cached_trials
from optnas.trials.record import SCORES

__all__ = ["EHVISampler"]

Array = NDArray[np.float64]

# Number of trials before the first model; each is the farthest from all others among so many candidates.
_START = 4
_FAR_OF = 100
# Share of the candidates, on either side, that counts as of similar cost.
_NEAR_COST = 0.1
# If candidates are drawn with every trial, so many trials' worth of them is drawn at first.
_FIRST_DRAWN = 8
# Where the features are scores of built networks, a proposal scores the best few by a model without them: as
# many as take this share of a trial's time.
_SCORING_SHARE, _FEWEST_SCORED, _MOST_SCORED = 0.1, 2, 32
# Search spaces of at most so many candidates are enumerated.
_ENUMERATED = 2_000


@dataclass(frozen=True)
class _SearchBudget:
    """Budget of the search for one proposal: how many candidates are scored.

    Attributes:
        pool: Number of random candidates that represent the search space.
        turn: Number of trials after which the pool is drawn anew as a whole; 0 to draw ``drawn`` candidates
            with every trial instead.
        drawn: Number of new candidates with every trial.
        changed: Number of mutants of the front's candidates, with one or two parameters changed.
        beside: Number of neighbours of the best candidate so far; ``None`` for all.
        climbed: Number of times that the best candidate may be replaced by a better mutant or neighbour.
        fitted_anew: Factor by which the number of trials grows until hyperparameters are refitted; 1 to
            refit them for every proposal.
    """

    pool: int
    turn: int
    drawn: int
    changed: int
    beside: int | None
    climbed: int
    fitted_anew: float


# To score a candidate that is a row of a table takes a hundredth of a millisecond. A tree that has to be
# built and costed takes twenty times that, and nothing is trained while a sampler searches.
_THOROUGH = _SearchBudget(pool=1_500, turn=10, drawn=0, changed=500, beside=None, climbed=5, fitted_anew=1.0)
_QUICK = _SearchBudget(pool=1_000, turn=0, drawn=12, changed=32, beside=12, climbed=3, fitted_anew=1.25)


def _search_budget(domain: Domain) -> _SearchBudget:
    return _QUICK if domain.costly else _THOROUGH


class EHVISampler(CandidateSampler):
    """Sampler that proposes the candidate with the greatest expected hypervolume improvement.

    A Gaussian process models only the objectives that a trial has to tell, by the logarithm of their
    distance to a floor below the best value; objectives that are known beforehand, such as FLOPs, are taken
    as exact. Hypervolume is that of the values themselves, or of their decimal logarithms if they span a
    factor of ten. With that the expected improvement has a closed form, for any number of objectives: a sum
    over the boxes that the front leaves undominated, in each a product of one-dimensional expected
    improvements. With one objective this is expected improvement.

    If the domain has a region of interest, hypervolume is measured within it. If trials recorded how long
    they took, the improvement is divided by the predicted evaluation time.

    All candidates of a small search space are scored. Of a larger one it is random candidates, and the
    front's with one or two parameters changed. A candidate that breaks a constraint on known costs is never
    proposed; other constraints, and failures, are weighed in by their probability. Running trials are
    assumed to reach their predicted values, pruned ones the values that trials trained further suggest
    (:mod:`.fidelity`).

    If the domain has scores of candidates as features, as a study of ``features="zero-cost"`` has, the model
    learns from their ranks. Where a network has to be built for these, a first model without them chooses the
    few candidates that are scored, and a second one decides between these and the screened candidates.

    Emmerich et al. (2011), "Hypervolume-based expected improvement: monotonicity properties and exact
    computation", and Ginsbourger et al. (2010), "Kriging is well-suited to parallelize optimization".

    Args:
        domain: The search space, with known objectives and features of its candidates. By default it is
            the parameters that the study's trials had so far, all objectives are modelled, and the first
            trial is random.
        seed: Seed of all randomness; by default a new one for each sampler.
    """

    def __init__(self, domain: Domain | None = None, *, seed: int | None = None) -> None:
        super().__init__(domain, seed=seed)
        self._encoded: dict[Domain, Encoding] = {}
        self._forecast: Forecast | None = None
        self._pool: _Pool | None = None
        self._fitted: dict[Domain, tuple[int, list[Array]]] = {}
        self._scored: _Scored | None = None

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        candidate = super().sample_relative(study, trial, search_space)
        scores = None if self._scored is None else self._scored.domain.record_of(candidate)
        if scores is not None:
            SCORES.put_in(study, trial, scores)  # other workers need not build it, too
        return candidate

    def propose(self, study: Study, domain: Domain, history: History, rng: random.Random) -> dict[str, Any]:
        scored = self._with_scores(study, domain)
        if scored is not None and not scored.costly:
            domain, scored = scored.domain, None
        signs = history.signs
        pool = self._drawn(domain, history, signs)
        if self._forecast is None or self._forecast.domain is not domain:
            self._forecast = Forecast(domain, signs)
        told = evidence(history.finished, self._forecast)
        if not pool.params:
            return sampled(domain, rng)
        if len(told.values) < 2 or len(told.values) + len(history.running) < _START:
            return self._first(domain, pool, history, rng)
        assert self._pool is not None
        standing = self._pool.standing or pool
        thetas = self._thetas(domain, signs, history, standing)
        surrogate = Surrogate(self._encoding(domain), domain, signs, history, told, standing, thetas)
        most = 1 if scored is None else scored.most(history)
        best = _best(surrogate, pool, domain, history, most)
        effort = _search_budget(domain)
        near = list(_changed(domain, told, surrogate, rng, effort.changed))
        for _ in range(effort.climbed):
            better = _best(surrogate, Candidates.of(domain, near, signs), domain, history, most)
            climbs = better and (not best or better[0].gain > best[0].gain)
            both = {domain.key(each.params): each for each in (*better, *best)}
            best = sorted(both.values(), key=lambda each: -each.gain)[:most]
            if not climbs:
                break
            near = list(neighbours(domain, best[0].params, rng, effort.beside))
        if scored is not None:
            standing = scored.candidates(signs)
            thetas = self._thetas(scored.domain, signs, history, standing)
            encoding = self._encoding(scored.domain)
            surrogate = Surrogate(encoding, scored.domain, signs, history, told, standing, thetas)
            cut = Candidates.of(scored.domain, [each.params for each in best], signs)
            best = _best(surrogate, standing.with_more(cut, len(standing.params) + most), domain, history)
        return best[0].params if best else sampled(domain, rng)

    def _with_scores(self, study: Study, domain: Domain) -> _Scored | None:
        """Return the domain with its candidates' scores, if these are features of the study."""
        screening = domain.screening
        if screening is None or not screening.features:
            return None
        if self._scored is None or self._scored.domain.of is not domain:
            found = screened(study, domain, screening)
            if not found.candidates:
                return None
            self._scored = _Scored(ScoredDomain(domain, screening, found), found, screening.computed)
        if screening.computed:
            self._scored.domain.read(cached_trials(study))
        return self._scored

    def _thetas(self, domain: Domain, signs: Array, history: History, pool: Candidates) -> list[Array]:
        """Return the surrogate's hyperparameters as of the last refit; an empty list to fit them now.

        A refit uses the trials that ended first, up to a number that grows by a factor. So all workers have
        the same hyperparameters, and they are fitted only now and then.
        """
        factor = _search_budget(domain).fitted_anew
        if factor == 1:
            return []
        ended = history.ended
        count = count_at_last_refit(len(ended), _START, factor)
        if domain not in self._fitted or self._fitted[domain][0] != count:
            some = tuple(sorted(ended[:count], key=lambda observation: observation.number))
            assert self._forecast is not None
            told = evidence(some, self._forecast)
            thetas: list[Array] = []
            if len(told.values) >= 2:
                then = dataclasses.replace(history, finished=some, running=())
                thetas = Surrogate(self._encoding(domain), domain, signs, then, told, pool).thetas
            self._fitted[domain] = count, thetas
        return self._fitted[domain][1]

    def _encoding(self, domain: Domain) -> Encoding:
        if domain not in self._encoded:
            self._encoded[domain] = Encoding(domain)
        return self._encoded[domain]

    def _drawn(self, domain: Domain, history: History, signs: Array) -> Candidates:
        """Return all candidates of a small search space, or the last drawn ones of a larger one."""
        if self._pool is None or self._pool.domain is not domain:
            found = enumerated(domain, _ENUMERATED)
            self._pool = _Pool(domain, Candidates.of(domain, found or [], signs), found is not None)
        if self._pool.whole:
            return self._pool.candidates
        effort, trials = _search_budget(domain), len(history.finished)
        # Candidates are numbered, so that all workers have the same ones, whenever they began.
        if effort.turn:
            last = effort.pool * (1 + trials // effort.turn)
        else:
            last = effort.drawn * (_FIRST_DRAWN + trials)
            if self._pool.standing is None:
                first = (self._numbered(domain, number) for number in range(effort.drawn * _FIRST_DRAWN))
                standing = Candidates.of(domain, first, signs)
                self._pool = dataclasses.replace(self._pool, standing=standing if standing.params else None)
        new = range(max(self._pool.last, last - effort.pool), last)
        if new:
            drawn = {n: self._numbered(domain, n) for n in new}
            drawn = {n: params for n, params in drawn.items() if domain.known(params) is not None}
            self._pool = self._pool.with_more(
                list(drawn), Candidates.of(domain, drawn.values(), signs), last, effort.pool
            )
        return self._pool.candidates

    def _numbered(self, domain: Domain, number: int) -> dict[str, Any]:
        """Return the candidate of that number in the order of drawing."""
        return sampled(domain, random.Random(f"{self._seed} drawn {number}"))

    def _first(
        self, domain: Domain, drawn: Candidates, history: History, rng: random.Random
    ) -> dict[str, Any]:
        """Return a candidate far from all before and of a new cost, to try before there is a model.

        If the domain has no features, the first two candidates have the lowest and the highest costs.
        Networks, which have features, are useless at both extremes: their costs halve the range again and
        again.
        """
        before = [*(o.params for o in history.finished), *history.running]
        left = [i for i, params in enumerate(drawn.params) if domain.key(params) not in history.seen]
        if not left:
            return sampled(domain, rng)
        known = np.isfinite(drawn.known).all(axis=0)
        if known.any() and (drawn.features.size or len(before) < 2):
            place = np.argsort(drawn.known[left][:, known], axis=0).argsort(axis=0).sum(axis=1)
            order = np.argsort(place, kind="stable")
            if not drawn.features.size:
                extreme: dict[str, Any] = drawn.params[left[order[-1 if before else 0]]]
                return extreme
            middle = _halves(len(before)) * len(order)
            reach = max(1.0, _NEAR_COST * len(order))
            left = [left[i] for i in order[max(0, int(middle - reach)) : int(middle + reach) + 1]]
        some = [drawn.params[i] for i in rng.sample(left, min(_FAR_OF, len(left)))]
        if not before:
            return some[0]
        encoding = self._encoding(domain)
        apart = np.square(encoding(some)[:, None] - encoding(before)[None]).sum(axis=2)
        return some[int(apart.min(axis=1).argmax())]


@dataclass(frozen=True)
class _Pool:
    """Candidates that represent the search space.

    Attributes:
        domain: The search space.
        candidates: The feasible candidates.
        whole: Whether they are all candidates of the search space.
        numbers: The number of each in the order of drawing, if they were drawn.
        last: How many have been drawn, infeasible ones included.
        standing: The first candidates drawn, if the pool changes with every trial. They set the scales of
            the model, which then do not change, and are the same for a worker that begins later.
    """

    domain: Domain
    candidates: Candidates
    whole: bool
    numbers: tuple[int, ...] = ()
    last: int = 0
    standing: Candidates | None = None

    def with_more(self, numbers: list[int], drawn: Candidates, last: int, most: int) -> _Pool:
        """Return the pool extended by ``drawn``, without candidates older than the last ``most`` drawn."""
        every = [*self.numbers, *numbers]
        keep = sum(number >= last - most for number in every)
        candidates = self.candidates.with_more(drawn, keep)
        numbers = every[len(every) - keep :]
        return dataclasses.replace(self, candidates=candidates, numbers=tuple(numbers), last=last)


def _halves(number: int) -> float:
    """Return an element of the sequence ½, ¼, ¾, ⅛, … (van der Corput 1935)."""
    share, part, number = 0.0, 0.5, number + 1
    while number:
        share += part * (number & 1)
        number, part = number >> 1, part / 2
    return share


@dataclass
class _Scored:
    """The domain with scores as features, and the screened candidates.

    Attributes:
        domain: The domain with scores.
        screened: The screened candidates.
        costly: Whether a candidate's scores take a built network, so that few candidates are scored.
    """

    domain: ScoredDomain
    screened: Screened
    costly: bool
    _candidates: Candidates | None = None

    def candidates(self, signs: Array) -> Candidates:
        """Return the screened candidates with their scores as features."""
        if self._candidates is None:
            self._candidates = Candidates.of(self.domain, self.screened.candidates, signs)
        return self._candidates

    def most(self, history: History) -> int:
        """Return how many candidates are scored for a proposal."""
        each = self.screened.seconds / len(self.screened.candidates)
        took = [observation.seconds for observation in history.complete if observation.seconds is not None]
        if not took or each <= 0:
            return _MOST_SCORED
        affordable = int(_SCORING_SHARE * float(np.median(took)) / each)
        return min(max(affordable, _FEWEST_SCORED), _MOST_SCORED)


@dataclass(frozen=True)
class _Best:
    gain: float
    params: dict[str, Any]


def _best(
    surrogate: Surrogate, candidates: Candidates, domain: Domain, history: History, most: int = 1
) -> list[_Best]:
    """Return the ``most`` untried candidates with the greatest expected improvement, the best first."""
    found: dict[Hashable, _Best] = {}
    if candidates.params:
        gain = surrogate.gain(candidates)
        for place in np.argsort(-gain, kind="stable"):
            key = domain.key(candidates.params[place])
            if key not in history.seen:
                found.setdefault(key, _Best(float(gain[place]), candidates.params[place]))
            if len(found) == most:
                break
    return list(found.values())


def _changed(
    domain: Domain, told: Evidence, surrogate: Surrogate, rng: random.Random, count: int
) -> Iterator[dict[str, Any]]:
    """Yield candidates of the front with one or two parameters changed."""
    complete = [i for i, observation in enumerate(told.observations) if observation.complete]
    places = np.array(complete or range(len(told.observations)))
    inside = places[surrogate.is_inside(told.values[places])]
    places = inside if len(inside) else places
    front = list(places[pareto.front(told.values[places])])
    for i in range(count):
        params = told.observations[rng.choice(front)].params
        yield mutated(domain, params, rng, steps=1 + i % 2)
