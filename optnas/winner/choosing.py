"""Choice of one trial of a study: the best within a budget, or where the front bends."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from optnas import pareto
from optnas.errors import UserError, nearest
from optnas.objectives import Constraint, Objective
from optnas.pareto.scale import scaled
from optnas.trials.record import COSTS, METRICS, is_feasible

__all__ = ["Choice", "Option", "best_within", "knee", "options"]

Measure = Callable[[FrozenTrial, Sequence[str]], Mapping[str, float]]
"""Function that measures what a trial's record does not have, by the names of the figures."""


@dataclasses.dataclass(frozen=True, eq=False)
class Option:
    """A complete trial, and all that is known of it by name."""

    trial: FrozenTrial
    figures: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Choice:
    """The trial that was chosen, and what it was chosen from.

    Attributes:
        option: The trial.
        front: The options that no other beats in what counts, in order of :attr:`counts`' second.
        counts: What counts: the objectives, the first being what is best within the budget.
        why: In words why it is that one.
        limited: The names of what the budget is on, without the objectives.
    """

    option: Option
    front: Sequence[Option]
    counts: Sequence[Objective]
    why: str
    limited: Sequence[str] = ()

    @property
    def neighbours(self) -> tuple[Option, ...]:
        """The options on either side of it on the front: at most two."""
        place = self.front.index(self.option)
        return tuple(self.front[i] for i in (place - 1, place + 1) if 0 <= i < len(self.front))


def options(trials: Sequence[FrozenTrial]) -> list[Option]:
    """Return the complete trials that keep the study's constraints, with their costs and metrics."""
    return [
        Option(trial, {**COSTS.get(trial, {}), **METRICS.get(trial, {})})
        for trial in trials
        if trial.state == TrialState.COMPLETE and is_feasible(trial)
    ]


def best_within(
    found: Sequence[Option],
    objectives: Sequence[Objective],
    budgets: Sequence[str],
    best: Objective,
    measurable: Sequence[str] = (),
    measure: Measure = lambda trial, names: {},
) -> Choice:
    """Return the option that is best in ``best`` of those that keep all ``budgets``.

    Args:
        found: The options of a study, at least one.
        objectives: The study's objectives.
        budgets: Comparisons over metrics, such as ``"latency_ms <= 5"``.
        best: What is to be best; among equals the other objectives decide, in their order.
        measurable: The names of what ``measure`` can measure now, where records do not have it.
        measure: Measures a trial's network. Only the front is measured, as that takes long.

    Raises:
        UserError: If a budget names what nothing is known of, or no option keeps them all.
    """
    limits = [_limit(text) for text in budgets]
    needed = set().union(*(limit.needs or () for limit in limits))
    lacking = sorted(needed - set().union(*(option.figures for option in found)))
    for name in lacking:
        if name not in measurable:
            known = {*measurable, *found[0].figures}
            raise UserError(f"--budget: nothing is known of {name!r}: {nearest(name, sorted(known))}")
    if lacking:
        found = [
            Option(option.trial, {**option.figures, **measure(option.trial, lacking)})
            for option in _front(found, objectives)
        ]
    kept = [option for option in found if all(_keeps(option, limit) for limit in limits)]
    if not kept:
        raise UserError(f"no trial keeps {' and '.join(budgets)}; {_nearest_miss(found, limits)}")
    counts = [best, *(each for each in objectives if each is not best)]
    chosen = min(kept, key=lambda option: _values(option, counts))
    front = _front(found, counts)
    if chosen not in front:  # a budget on what is no objective may leave the front empty
        front = sorted([*front, chosen], key=lambda option: _order(option, counts))
    why = f"the best {best.name} of {len(kept)} trials that keep {' and '.join(budgets)}"
    named = {objective.metric.text for objective in counts}
    return Choice(chosen, front, counts, why, sorted(needed - named))


def knee(found: Sequence[Option], objectives: Sequence[Objective], best: Objective) -> Choice:
    """Return the option where the front bends most: beyond it, a little more of one costs much of another.

    It is the point farthest from the plane through the front's extreme points, towards the ideal one, with
    wide objectives as logarithms and each scaled to [0, 1] over the front (Das 1999). Of a front without a
    bend it is the one nearest to the ideal point.
    """
    counts = [best, *(each for each in objectives if each is not best)]
    front = _front(found, counts)
    points = scaled(np.array([_values(option, counts) for option in front]))
    # Where each objective goes from 0 to 1 over the front, the plane is sum = 1.
    bulge = (1 - points.sum(axis=1)) / math.sqrt(points.shape[1])
    place = int(np.argmax(bulge))
    if len(front) < 3 or bulge[place] <= 1e-9:
        place = int(np.argmin(np.linalg.norm(points, axis=1)))
        why = (
            "the nearest to the best values of all, as the front does not bend"
            if len(front) > 1
            else "the only one on the front"
        )
    else:
        why = f"where the front bends most: {bulge[place]:.2f} of its width before the line between its ends"
    return Choice(front[place], front, counts, why)


def _limit(text: str) -> Constraint:
    try:
        return Constraint.of(text)
    except UserError as error:
        raise UserError(f"--budget: {error}") from None


def _keeps(option: Option, limit: Constraint) -> bool:
    try:
        return limit.violation(option.figures) <= 0
    except (KeyError, ArithmeticError):  # it is not known of this one
        return False


def _nearest_miss(found: Sequence[Option], limits: Sequence[Constraint]) -> str:
    def worst(option: Option) -> float:
        try:
            return max(limit.violation(option.figures) for limit in limits)
        except (KeyError, ArithmeticError):
            return math.inf

    near = min(found, key=worst)
    names = sorted(set().union(*(limit.needs or () for limit in limits)))
    told = ", ".join(f"{name} = {near.figures[name]:.6g}" for name in names if name in near.figures)
    return f"trial {near.trial.number} comes nearest, with {told}"


def _values(option: Option, counts: Sequence[Objective]) -> list[float]:
    """Return the values of objectives to minimise; infinite where there is none."""
    values = []
    for objective in counts:
        try:
            value = objective.sign * objective.metric(option.figures)
        except (KeyError, ArithmeticError):
            value = math.inf
        values.append(math.inf if math.isnan(value) else value)
    return values


def _order(option: Option, counts: Sequence[Objective]) -> list[float]:
    return _values(option, counts)[::-1]


def _front(found: Sequence[Option], counts: Sequence[Objective]) -> list[Option]:
    """Return the non-dominated options, the cheapest first; of equal ones the first."""
    first: dict[tuple[float, ...], Option] = {}
    for option in found:
        first.setdefault(tuple(_values(option, counts)), option)
    unique = list(first.values())
    front = [unique[place] for place in pareto.front(np.array(list(first)))]
    return sorted(front, key=lambda option: _order(option, counts))
