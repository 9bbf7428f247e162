"""The candidates of a study and their values known before training, for samplers."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import random
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from optnas.cost.cost import COSTS
from optnas.declaration import Declaration
from optnas.objectives import Objective
from optnas.one_shot.problem import Problem
from optnas.samplers.domain import Decide, Domain
from optnas.samplers.scoring import Screening
from optnas.space import SpaceError
from optnas.space.closing import Closing, draw, holes
from optnas.space.decisions import decided, decisions
from optnas.space.holes import is_open
from optnas.study_scores import screening_of
from optnas.train import default_device
from optnas.train.allowed import possible_values
from optnas.train.task_checks import figures
from optnas.trials.record import KEY
from optnas.trials.region import Region
from optnas.trials.volume import Ends

__all__ = ["StudyDomain"]

_REMEMBERED = 100_000

# The sample of the space that tells the ends of its costs.
_DRAWS, _FEWEST, _MOST_SECONDS = 240, 5, 2.0
_MARGIN = 0.05

# Of a supernet: as in DARTS (Liu et al. 2019), at twice its rate, as trainings are brief.
_SGD: dict[str, Any] = {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 3e-4}


class StudyDomain(Domain):
    """The candidates of a :class:`~optnas.Study`: architecture and training parameters together."""

    def __init__(self, study: Declaration) -> None:
        self._study = study
        self._distributions = study.distributions()
        self._decisions = decisions(study.space, study.training.tree)
        self._training = frozenset(holes(study.training.tree))
        # Those that a table has beside its costs; features of their own.
        looked_up = study.task is None and (study.warm_start or study.features)
        self._scores = frozenset(study.zero_cost.scores if looked_up else ())
        self._keys = lru_cache(maxsize=_REMEMBERED)(self._key)
        self._looked = lru_cache(maxsize=_REMEMBERED)(self._look)

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return self._distributions

    def decided(self, decide: Decide) -> dict[str, Any]:
        return decided(self._decisions, decide)

    def key(self, params: Mapping[str, Any]) -> Hashable:
        return self._keys(tuple(params.items()))

    def key_of(self, trial: FrozenTrial) -> Hashable:
        return KEY.of(trial) or self.key(trial.params)

    def known(self, params: Mapping[str, Any]) -> tuple[float | None, ...] | None:
        return self._looked(tuple(params.items())).known

    def features(self, params: Mapping[str, Any]) -> tuple[float, ...]:
        """Return log10 of the costs: networks of similar costs are similar, whatever their layers."""
        return self._looked(tuple(params.items())).features

    @property
    def costly(self) -> bool:
        return self._study.costs_from_tree

    @property
    def training(self) -> frozenset[str]:
        return self._training

    @cached_property
    def region(self) -> Region:
        objectives = self._study.objectives
        task = self._study.task
        chance = figures(f"{type(task).__name__}.chance", task.chance) if task else {}
        ideal = figures(f"{type(task).__name__}.ideal", task.ideal) if task else {}
        return Region(
            limits=tuple(objective.limit for objective in objectives),
            chance=tuple(_value(objective, chance) for objective in objectives),
            ideal=tuple(_value(objective, ideal) for objective in objectives),
        )

    @cached_property
    def problem(self) -> Problem | None:
        """The problem of searching on shared weights.

        Of training settings that are open a number has the middle of its range, and a choice its first
        option; if the optimiser or the learning rate is open, it is SGD much as in DARTS.
        """
        study = self._study
        if study.task is None or study.shape is None:
            return None
        settings = Closing(lambda _, distribution: _middle(distribution)).close(study.training.tree)
        training = study.training.closed(settings)
        searched = is_open(study.training.optimizer) or is_open(study.training.lr)
        return Problem(
            space=study.space,
            shape=study.shape,
            context=study.context,
            task=study.task,
            training=dataclasses.replace(training, ema=0.0, **(_SGD if searched else {})),
            device=default_device(training.device),
            cost_of=self._known_cost if any(_is_cost(objective) for objective in study.objectives) else None,
            losses_of=self._losses,
            longest=int(max(possible_values(study.training.epochs))),
            name=study.name,
            store=study.store,
        )

    @cached_property
    def screening(self) -> Screening | None:
        return screening_of(self._study)

    def _known_cost(self, params: Mapping[str, Any]) -> float | None:
        """Return the geometric mean of the objectives that are costs known before training."""
        look = self._look(tuple(params.items()))
        if look.known is None:
            return None
        costs = [
            max(value, 1e-12)
            for objective, value in zip(self._study.objectives, look.known, strict=True)
            if value is not None and _is_cost(objective)
        ]
        return math.prod(costs) ** (1 / len(costs))

    def _losses(self, params: Mapping[str, Any], metrics: Mapping[str, float]) -> list[float] | None:
        """Return the objectives' values, to be minimised, for known costs and the metrics of a network."""
        study = self._study
        architecture = Closing(lambda name, _: params[name]).close(study.space)
        costs = study.tree_costs(architecture)
        if any(study.broken_limits(costs)):
            return None
        found = {**costs, **metrics}
        values = [_value(objective, found) for objective in study.objectives]
        if any(value is None or not math.isfinite(value) for value in values):
            return None
        signs = [objective.sign for objective in study.objectives]
        return [sign * value for sign, value in zip(signs, values, strict=True) if value is not None]

    def ends(self) -> list[Ends]:
        """Return the worst and the best value of each objective that is known before training.

        Of feasible candidates drawn with a fixed seed: at random, and with all numbers at their lowest or at
        their highest. The worst is a twentieth of their span further, so that it counts.
        """
        found: list[Sequence[float | None]] = []
        started = time.monotonic()
        for params in itertools.islice(self._spread(random.Random(0)), _DRAWS):
            # What is wrong with ops and costs of someone's own, a trial tells.
            with contextlib.suppress(Exception):
                known = self.known(params)
                found += [] if known is None else [known]
            # Costs of someone's own may take long, and perhaps none is an objective.
            if time.monotonic() - started > _MOST_SECONDS or (found and not any(map(_is_number, found[0]))):
                break
        signs = [objective.sign for objective in self._study.objectives]
        return [_ends_of([known[i] for known in found], sign) for i, sign in enumerate(signs)]

    def _spread(self, rng: random.Random) -> Iterator[dict[str, Any]]:
        while True:
            yield self.decided(lambda _, distribution: draw(distribution, rng))
            yield self.decided(lambda _, distribution: _end(distribution, min, rng))
            yield self.decided(lambda _, distribution: _end(distribution, max, rng))

    def _key(self, items: tuple[tuple[str, Any], ...]) -> Hashable:
        try:
            return self._study.candidate(dict(items)).key
        except SpaceError:  # a trial of another space, or stopped before it was suggested
            return items

    def _look(self, items: tuple[tuple[str, Any], ...]) -> _Look:
        study, params = self._study, dict(items)
        try:
            if study.costs_from_tree:
                # Whether the values are within their ranges is not checked: this is called most often.
                architecture = Closing(lambda name, _: params[name]).close(study.space)
                costs = study.tree_costs(architecture)
            else:
                costs = study.costs(study.candidate(params))
            if any(study.broken_limits(costs)):
                return _Look()
            known = tuple(
                objective.metric(costs) if objective.metric.names <= costs.keys() else None
                for objective in study.objectives
            )
        # Parameters of another space, an architecture that cannot be built, an expression without value.
        except (KeyError, SpaceError, ArithmeticError):
            return _Look()
        used = [cost for name, cost in costs.items() if name not in self._scores]
        return _Look(known, tuple(math.log10(max(float(cost), 1.0)) for cost in used))


class _Look(NamedTuple):
    """A candidate's objective values known before training and features; ``None`` and () if infeasible."""

    known: tuple[float | None, ...] | None = None
    features: tuple[float, ...] = ()


def _end(distribution: BaseDistribution, which: Callable[[Iterable[Any]], Any], rng: random.Random) -> Any:
    """Return the lowest or highest number of a distribution; of other choices a random one."""
    if isinstance(distribution, CategoricalDistribution):
        numeric = all(map(_is_number, distribution.choices))
        return which(distribution.choices) if numeric else draw(distribution, rng)
    return which((distribution.low, distribution.high))  # type: ignore[attr-defined]


def _middle(distribution: BaseDistribution) -> Any:
    """Return the middle of a range of numbers, on its scale; the first of other choices."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    if isinstance(distribution, IntDistribution):
        steps = (distribution.high - distribution.low) // distribution.step
        return distribution.low + steps // 2 * distribution.step
    assert isinstance(distribution, FloatDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is not None:
        return low + round((high - low) / step) // 2 * step
    return math.sqrt(low * high) if distribution.log else (low + high) / 2


def _is_cost(objective: Objective) -> bool:
    """Return whether an objective is a cost that is known exactly of any architecture."""
    return objective.sign > 0 and objective.metric.names <= set(COSTS)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ends_of(values: Sequence[float | None], sign: int) -> Ends:
    losses = [sign * value for value in values if value is not None and math.isfinite(value)]
    if len(losses) < _FEWEST or min(losses) == max(losses):
        return None, None
    best, worst = min(losses), max(losses)
    further = worst * (worst / best) ** _MARGIN if best > 0 else worst + _MARGIN * (worst - best)
    return sign * further, sign * best


def _value(objective: Objective, metrics: Mapping[str, float]) -> float | None:
    """Return an objective's value for ``metrics``; ``None`` if it has none."""
    if not objective.metric.names <= metrics.keys():
        return None
    try:
        return objective.metric(metrics)
    except ArithmeticError:
        return None
