"""Search spaces for samplers: the candidates of a study, each a dict of its active parameters."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from optnas.one_shot.problem import Problem
from optnas.samplers.scoring import Screening
from optnas.space.closing import draw
from optnas.trials.region import Region

__all__ = [
    "Decide",
    "Domain",
    "FlatDomain",
    "Known",
    "Params",
    "crossed",
    "enumerated",
    "fits",
    "mutated",
    "neighbours",
    "sampled",
]

# How often a part of a part is inherited from the other parent than what is around it.
_EXCHANGED = 0.25

# Least distance to a neighbour of a real number, as a share of its range.
_NEAREST = 0.05

Decide = Callable[[str, BaseDistribution], Any]
"""Function that returns the value of the parameter with that name and distribution."""

Params = dict[str, Any]
"""The active parameters of a candidate by name."""

Unasked = Mapping[str, Mapping[str, frozenset[Any]]]
"""For each conditional parameter, by name: the values of other parameters with which it is inactive."""

Known = Callable[[Mapping[str, Any]], Sequence[float | None]]
"""Function that returns one value per objective, ``None`` for objectives that only a trial can tell."""


class Domain(ABC):
    """Search space of a study. A candidate is a dict of its active parameters."""

    @property
    @abstractmethod
    def distributions(self) -> dict[str, BaseDistribution]:
        """The distribution of every parameter, conditional ones included, always in the same order."""

    @abstractmethod
    def decided(self, decide: Decide) -> Params:
        """Return the candidate whose values ``decide`` returns, called once for each active parameter."""

    def key(self, params: Mapping[str, Any]) -> Hashable:
        """Return a key that is equal for equal candidates."""
        return tuple(sorted((name, repr(value)) for name, value in params.items()))

    def key_of(self, trial: FrozenTrial) -> Hashable:
        """Return the key of a trial's candidate."""
        return self.key(trial.params)

    def known(self, params: Mapping[str, Any]) -> Sequence[float | None] | None:
        """Return a candidate's objective values that are known before a trial, ``None`` for the others.

        The whole result is ``None`` if the candidate is known to be infeasible, such as an architecture that
        cannot be built. It is empty if nothing is known of any objective.
        """
        return ()

    def features(self, params: Mapping[str, Any]) -> Sequence[float]:
        """Return further known numbers of a candidate that a model can learn from, always equally many.

        Only for feasible candidates, for which :meth:`known` is not ``None``.
        """
        return ()

    @property
    def costly(self) -> bool:
        """Whether :meth:`known` takes so long that a sampler should look at few candidates per proposal."""
        return False

    @property
    def training(self) -> frozenset[str]:
        """The names of parameters that set how a candidate is trained, not its architecture."""
        return frozenset()

    @property
    def problem(self) -> Problem | None:
        """The problem that samplers learn which train networks themselves; ``None`` if there is no task."""
        return None

    @property
    def screening(self) -> Screening | None:
        """The scoring of candidates before a trial; ``None`` if they are not scored."""
        return None

    @property
    def region(self) -> Region:
        """The study's region of interest among objective values."""
        return Region()


class FlatDomain(Domain):
    """Search space given by a flat list of parameters, as in plain Optuna studies.

    Args:
        distributions: The distribution of every parameter.
        known: Returns the objective values of a candidate that are known before a trial.
        inactive_with: For each conditional parameter, the values of others with which it is inactive.
    """

    def __init__(
        self,
        distributions: Mapping[str, BaseDistribution],
        known: Known | None = None,
        inactive_with: Unasked | None = None,
    ) -> None:
        self._distributions = dict(distributions)
        self._known = known
        self.inactive_with = inactive_with or {}

    @classmethod
    def of(cls, trials: Iterable[FrozenTrial]) -> FlatDomain:
        """Return the search space of all parameters that ``trials`` had, each with its latest distribution.

        A parameter that only some complete trials had is conditional: it is inactive with those values of
        categorical parameters with which it never occurred.
        """
        found: dict[str, BaseDistribution] = {}
        complete = []
        for trial in trials:
            found |= trial.distributions
            if trial.state == TrialState.COMPLETE:
                complete.append(trial)
        distributions = {name: found[name] for name in sorted(found) if not found[name].single()}
        return cls(distributions, inactive_with=_unasked(distributions, complete))

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return self._distributions

    def decided(self, decide: Decide) -> Params:
        decided: Params = {}
        for name in sorted(self._distributions, key=lambda name: name in self.inactive_with):
            if not any(decided.get(other, _NOTHING) in values for other, values in self._without(name)):
                decided[name] = decide(name, self._distributions[name])
        return {name: decided[name] for name in self._distributions if name in decided}

    def _without(self, name: str) -> Iterable[tuple[str, frozenset[Any]]]:
        return self.inactive_with.get(name, {}).items()

    def known(self, params: Mapping[str, Any]) -> Sequence[float | None]:
        return () if self._known is None else self._known(params)


def sampled(domain: Domain, rng: random.Random) -> Params:
    """Return a random candidate: every parameter uniform on its scale."""
    return domain.decided(lambda _, distribution: draw(distribution, rng))


def mutated(domain: Domain, params: Mapping[str, Any], rng: random.Random, *, steps: int = 1) -> Params:
    """Return ``params`` with ``steps`` parameters changed at random; parameters that become active are drawn.

    A parameter whose distribution has a single value is never chosen.
    """
    changed = dict(params)
    for _ in range(steps):
        names = [n for n in changed if n in domain.distributions and not domain.distributions[n].single()]
        if not names:
            return changed
        name = rng.choice(names)
        other = _another(domain.distributions[name], changed[name], rng)
        changed = _with(domain, {**changed, name: other}, rng)
    return changed


def crossed(domain: Domain, one: Mapping[str, Any], other: Mapping[str, Any], rng: random.Random) -> Params:
    """Return a child of two candidates, with subtrees exchanged at equal places.

    Parameters whose names begin alike (``layer0.…``) belong to one part of the architecture and are
    inherited together from one of the parents. A part within it, such as an operand of an activation
    (``layer0.left.…``), now and then comes from the other parent.
    """
    subtrees = _subtrees(tuple(domain.distributions))
    heirs: dict[str, Mapping[str, Any]] = {}

    def heir(place: str) -> Mapping[str, Any]:
        if place not in heirs:
            above = place.rpartition(".")[0]
            if not above:
                heirs[place] = rng.choice((one, other))
            else:
                kept = heir(above)
                exchanged = place in subtrees and rng.random() < _EXCHANGED
                heirs[place] = (other if kept is one else one) if exchanged else kept
        return heirs[place]

    def decide(name: str, distribution: BaseDistribution) -> Any:
        for parent in (heir(name), one, other):
            if fits(distribution, parent.get(name, _NOTHING)):
                return parent[name]
        return draw(distribution, rng)

    return domain.decided(decide)


@lru_cache(maxsize=8)
def _subtrees(names: tuple[str, ...]) -> frozenset[str]:
    """Return the places within parts that have several of their parameters, but not all of them."""
    sizes = Counter(place for name in names for place in _places(name))
    return frozenset(
        place for place, size in sizes.items() if 1 < size < sizes.get(place.rpartition(".")[0], 0)
    )


def _places(name: str) -> Iterator[str]:
    """Yield the places that a parameter is in: ``a.b.c``, ``a.b`` and ``a``."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def neighbours(
    domain: Domain, params: Mapping[str, Any], rng: random.Random, most: int | None = None
) -> Iterator[Params]:
    """Yield every candidate that differs in one parameter, or ``most`` of them at random.

    A number's neighbours are one step up and down. A real number without steps has one neighbour below and
    one above, at a random distance from a twentieth of the range to all of it.
    """
    beside = [
        (name, other)
        for name, value in params.items()
        if name in domain.distributions
        for other in _beside(domain.distributions[name], value, rng)
    ]
    for name, other in beside if most is None else rng.sample(beside, min(most, len(beside))):
        yield _with(domain, {**params, name: other}, rng)


def enumerated(domain: Domain, most: int) -> list[Params] | None:
    """Return all candidates; ``None`` if there are more than ``most`` or infinitely many."""
    if _surely_more(domain, most):
        return None
    rng = random.Random(0)
    found: list[Params] = []
    # Each prefix of answers is replayed from the start, as it decides which parameter is asked for next.
    prefixes: list[list[Any]] = [[]]
    while prefixes:
        answers = prefixes.pop()
        options: list[Any] | None = None
        asked = iter(answers)

        def decide(name: str, distribution: BaseDistribution) -> Any:
            nonlocal options
            known = next(asked, _NOTHING)  # noqa: B023 - used within this turn only
            if known is not _NOTHING:
                return known
            if options is None:
                options = _values(distribution)
            return draw(distribution, rng)  # any value: only the first parameter without an answer matters

        params = domain.decided(decide)
        if options is None:
            found.append(params)
            if len(found) > most:
                return None
            continue
        if not options or len(prefixes) + len(found) > most:
            return None
        prefixes += [[*answers, option] for option in reversed(options)]
    return found


def _surely_more(domain: Domain, most: int) -> bool:
    """Return whether there are surely more than ``most`` candidates, by sampling instead of counting.

    One over the probability of a random candidate is, on average, the number of candidates (Knuth 1975,
    "Estimating the efficiency of backtrack programs"). If there are at most ``most``, it exceeds
    ``16 · most`` once in 16 times at most, and practically never eight times in a row.
    """
    rng = random.Random(0)
    for _ in range(8):
        ways = 1

        def decide(name: str, distribution: BaseDistribution) -> Any:
            nonlocal ways
            ways *= len(_values(distribution)) or 16 * most + 1
            return draw(distribution, rng)

        domain.decided(decide)
        if ways <= 16 * most:
            return False
    return True


_NOTHING = object()


def _with(domain: Domain, values: Mapping[str, Any], rng: random.Random) -> Params:
    """Return the candidate with ``values`` where they fit the distributions; the rest is drawn at random."""

    def decide(name: str, distribution: BaseDistribution) -> Any:
        value = values.get(name, _NOTHING)
        return value if fits(distribution, value) else draw(distribution, rng)

    return domain.decided(decide)


def fits(distribution: BaseDistribution, value: Any) -> bool:
    """Return whether a distribution contains a value."""
    if value is _NOTHING:
        return False
    try:
        return distribution._contains(distribution.to_internal_repr(value))
    except (ValueError, TypeError):
        return False


def _unasked(distributions: Mapping[str, BaseDistribution], trials: Sequence[FrozenTrial]) -> Unasked:
    """Return for each conditional parameter the values of others that it never occurs with in ``trials``."""
    shapes = {frozenset(trial.params) for trial in trials}
    conditional = [name for name in distributions if not all(name in shape for shape in shapes)]
    categorical = [n for n, d in distributions.items() if isinstance(d, CategoricalDistribution)]
    result: dict[str, dict[str, frozenset[Any]]] = {}
    for name in conditional:
        result[name] = {}
        for other in categorical:
            seen: dict[bool, set[Any]] = {True: set(), False: set()}
            for trial in trials:
                if other in trial.params:
                    seen[name in trial.params].add(trial.params[other])
            if seen[True] and seen[False] - seen[True]:
                result[name][other] = frozenset(seen[False] - seen[True])
    return result


def _values(distribution: BaseDistribution) -> list[Any]:
    """Return all values of a distribution; an empty list if there are infinitely many."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    if distribution.single():
        return [distribution.low]  # type: ignore[attr-defined]
    return []


def _another(distribution: BaseDistribution, value: Any, rng: random.Random) -> Any:
    """Return a random value other than ``value``."""
    if isinstance(distribution, CategoricalDistribution):
        return rng.choice([choice for choice in distribution.choices if choice != value])
    while (other := draw(distribution, rng)) == value:
        pass
    return other


def _beside(distribution: BaseDistribution, value: Any, rng: random.Random) -> list[Any]:
    if distribution.single():
        return []
    if isinstance(distribution, CategoricalDistribution):
        return [choice for choice in distribution.choices if choice != value]
    if isinstance(distribution, IntDistribution):
        near = (value - distribution.step, value + distribution.step)
    elif distribution.step is not None:  # type: ignore[attr-defined]
        near = (value - distribution.step, value + distribution.step)  # type: ignore[attr-defined]
    else:
        near = _around(distribution, value, rng)  # type: ignore[arg-type]
    return [other for other in near if distribution.low <= other <= distribution.high]  # type: ignore[attr-defined]


def _around(distribution: FloatDistribution, value: float, rng: random.Random) -> tuple[float, float]:
    """Return one number below and one above ``value``, at a log-uniformly random distance."""
    share = _NEAREST ** rng.random()
    if distribution.log:
        factor = (distribution.high / distribution.low) ** share
        return value / factor, value * factor
    step = share * (distribution.high - distribution.low)
    return value - step, value + step
