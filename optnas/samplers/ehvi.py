"""Expected hypervolume improvement that takes what is known of a candidate as exactly known."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.study import Study

from optnas import pareto
from optnas.samplers.domain import Domain, everything, mutated, neighbours, sampled
from optnas.samplers.encoding import Encoding
from optnas.samplers.fidelity import Evidence, evidence
from optnas.samplers.history import History, signs_of
from optnas.samplers.surrogate import Surrogate
from optnas.samplers.whole import WholeSampler

__all__ = ["EHVISampler"]

Array = NDArray[np.float64]

# Trials before the first model: the cheapest, the dearest, and the rest far from all others.
_START = 4
_FAR_OF = 100
# A space with no more candidates is enumerated; of a larger one so many are drawn, and drawn anew
# after so many trials. (On NAS-Bench-201 all 15,625 at every trial took more evaluations to 97 %.)
_ENUMERATED, _DRAWN, _DRAWN_FOR = 2_000, 1_500, 10
_ALL = -1
# Candidates times observations squared is the work of predicting: no more than this, about half a
# second's, but for a fewest number of candidates.
_WORK, _FEWEST = 2e9, 1_000
# The front's candidates changed in one or two decisions: of each, and of all of them together.
_CHANGED_OF_EACH, _CHANGED = 40, 500
# How often the best candidate gives way to a better neighbour.
_CLIMBED = 5


@dataclass(frozen=True)
class _Candidates:
    """Candidates, and what is known of them.

    Attributes:
        params: Each one's parameters.
        keys: Each one's key.
        known: Each one's objectives, shape (candidates, objectives); NaN where only a trial can tell.
    """

    params: list[dict[str, Any]]
    keys: list[Hashable]
    known: Array

    def but(self, seen: Set[Hashable]) -> _Candidates:
        """Return those that are not among ``seen``."""
        return self._only([i for i, key in enumerate(self.keys) if key not in seen])

    def some(self, most: int, rng: random.Random) -> _Candidates:
        """Return at most ``most`` of them."""
        if len(self.params) <= most:
            return self
        return self._only(rng.sample(range(len(self.params)), most))

    def _only(self, places: list[int]) -> _Candidates:
        params, keys = [self.params[i] for i in places], [self.keys[i] for i in places]
        return _Candidates(params, keys, self.known[places])


class EHVISampler(WholeSampler):
    """Proposes the candidate that is expected to add most hypervolume to the front.

    A Gaussian process models only what a trial has to tell, by the logarithm of its distance to a floor
    below the best; what is known of a candidate beforehand, as FLOPs are, is taken as it is. Hypervolume
    is that of the values themselves, or of their decades where they span a factor of ten. With that the
    expected improvement is a closed form, for any number of objectives: a sum over the boxes that the
    front leaves undominated, in each a product of one-dimensional expected improvements. With one
    objective this is expected improvement.

    Candidates are all of a small space; of others random ones, and the front's with one or two
    decisions changed. What breaks a constraint on known costs is never proposed; other constraints, and
    failures, are weighed in by their probability. Running trials are believed at their prediction;
    pruned ones at what they would have had, as far as trials that went on tell (:mod:`.fidelity`).

    Emmerich et al. (2011), "Hypervolume-based expected improvement: monotonicity properties and exact
    computation", and Ginsbourger et al. (2010), "Kriging is well-suited to parallelize optimization".

    Args:
        domain: What may be proposed and what is known of it. Without one it is the parameters that the
            study's trials had so far, all objectives are modelled, and the first trial is random.
        seed: Of everything random; by default a new one for each sampler.
    """

    def __init__(self, domain: Domain | None = None, *, seed: int | None = None) -> None:
        super().__init__(domain, seed=seed)
        self._encoded: tuple[Domain, Encoding] | None = None
        self._pool: tuple[Domain, int, _Candidates] | None = None

    def propose(self, study: Study, domain: Domain, history: History, rng: random.Random) -> dict[str, Any]:
        signs = signs_of(study)
        drawn = self._drawn(domain, history, signs)
        told = evidence(history.finished)
        if not drawn.params:
            return sampled(domain, rng)
        if len(told.values) < 2 or len(told.values) + len(history.running) < _START:
            return self._first(domain, drawn, history, rng)

        def look(params: Mapping[str, Any]) -> Array | None:
            return _known(domain, params, signs)

        surrogate = Surrogate(self._encoding(domain), history, told, look, drawn.known)
        most = max(_FEWEST, int(_WORK / len(told.values) ** 2))
        best = _best(surrogate, drawn.but(history.seen).some(most, rng))
        near = list(_changed(domain, told, rng))
        for _ in range(_CLIMBED):
            beside = _looked(domain, near, signs).but(history.seen)
            better = _best(surrogate, beside)
            if better.gain <= best.gain:
                break
            best = better
            near = list(neighbours(domain, best.params, rng))
        return best.params or sampled(domain, rng)

    def _encoding(self, domain: Domain) -> Encoding:
        if self._encoded is None or self._encoded[0] is not domain:
            self._encoded = domain, Encoding(domain)
        return self._encoded[1]

    def _drawn(self, domain: Domain, history: History, signs: Array) -> _Candidates:
        """Return all candidates of a small space, some of a larger one."""
        turn = len(history.finished) // _DRAWN_FOR
        if self._pool is None or self._pool[0] is not domain or self._pool[1] not in (_ALL, turn):
            found = everything(domain, _ENUMERATED)
            if found is None:
                rng = random.Random(f"{self._seed} drawn {turn}")
                found = [sampled(domain, rng) for _ in range(_DRAWN)]
            else:
                turn = _ALL
            self._pool = domain, turn, _looked(domain, found, signs)
        return self._pool[2]

    def _first(
        self, domain: Domain, drawn: _Candidates, history: History, rng: random.Random
    ) -> dict[str, Any]:
        """Return the cheapest, then the dearest candidate, then such as are far from all before."""
        before = [*(o.params for o in history.finished), *history.running]
        left = drawn.but(history.seen)
        if not left.params:
            return sampled(domain, rng)
        known = np.isfinite(left.known).all(axis=0)
        if known.any() and len(before) < 2:
            order = np.argsort(left.known[:, known], axis=0).argsort(axis=0).sum(axis=1)
            return left.params[int(order.argmin() if not before else order.argmax())]
        some = rng.sample(left.params, min(_FAR_OF, len(left.params)))
        if not before:
            return some[0]
        encoding = self._encoding(domain)
        apart = np.square(encoding(some)[:, None] - encoding(before)[None]).sum(axis=2)
        return some[int(apart.min(axis=1).argmax())]


@dataclass(frozen=True)
class _Best:
    gain: float
    params: dict[str, Any]


def _best(surrogate: Surrogate, candidates: _Candidates) -> _Best:
    if not candidates.params:
        return _Best(-1.0, {})
    gain = surrogate.gain(candidates.params, candidates.known)
    return _Best(float(gain.max()), candidates.params[int(gain.argmax())])


def _looked(domain: Domain, params: Iterable[Mapping[str, Any]], signs: Array) -> _Candidates:
    """Return those of ``params`` that are of use, each once, and what is known of them."""
    found: dict[Hashable, tuple[dict[str, Any], Array]] = {}
    for candidate in params:
        known = _known(domain, candidate, signs)
        if known is not None:
            found.setdefault(domain.key(candidate), (dict(candidate), known))
    known = np.array([known for _, known in found.values()]).reshape(len(found), len(signs))
    return _Candidates([params for params, _ in found.values()], list(found), known)


def _known(domain: Domain, params: Mapping[str, Any], signs: Array) -> Array | None:
    """Return what is known, to be minimised; NaN for what is not; none for what is of no use."""
    known = domain.known(params)
    return None if known is None else np.array(known or [None] * len(signs), dtype=float) * signs


def _changed(domain: Domain, told: Evidence, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Yield what the front's candidates are with one or two decisions changed."""
    complete = [i for i, observation in enumerate(told.observations) if observation.complete]
    places = np.array(complete or range(len(told.observations)))
    front = places[pareto.front(told.values[places])]
    each = min(_CHANGED_OF_EACH, -(-_CHANGED // len(front)))
    for place in front:
        for i in range(each):
            yield mutated(domain, told.observations[place].params, rng, steps=1 + i % 2)
