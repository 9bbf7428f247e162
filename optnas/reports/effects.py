"""Marginal effects: by how much each choice changes an objective at equal cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray

from optnas.pareto.scale import decades, is_wide, shares
from optnas.reports.anova import Effects, analyse
from optnas.reports.factors import Factors, curves
from optnas.reports.front_table import objective_names
from optnas.reports.importance import FEWEST
from optnas.reports.observed import Observed
from optnas.trials.record import COSTS

__all__ = ["Choice", "Effect", "cost_beside", "effects_at_equal_cost"]

Array = NDArray[np.float64]

# The interval holds this share of the posterior.
_SURE = 0.9


@dataclass(frozen=True)
class Choice:
    """Effect of one value of a parameter, against the mean over its values; in units of the objective.

    Attributes:
        value: The value.
        mean: The change of a typical network.
        low: The lower end of the change's 90 % interval, and
        high: the upper one.
    """

    value: Any
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """Effects of a parameter's values on an objective at equal cost.

    Attributes:
        name: The parameter's name.
        told: Whether the effect is told from chance.
        choices: The values of a choice, the most first; of a number its least, middle and greatest.
        apart: The change from the last of the choices to the first, as mean, low and high.
    """

    name: str
    told: bool
    choices: list[Choice]
    apart: tuple[float, float, float]

    @property
    def clarity(self) -> float:
        """The change from the last choice to the first over the width of its interval."""
        mean, low, high = self.apart
        return abs(mean) / (high - low) if high > low else 0.0


def cost_beside(study: optuna.Study, objective: str) -> str | None:
    """Return the cost that choices are compared at: the study's first known one, else FLOPs or parameters.

    ``None`` for what is a known cost itself, and where trials have none.
    """
    known = {name for trial in study.get_trials(deepcopy=False) for name in COSTS.get(trial, {})}
    if objective in known:
        return None
    wanted = [*objective_names(study), "flops", "params"]
    return next((name for name in wanted if name in known), None)


def effects_at_equal_cost(values: Observed, cost: str | None) -> list[Effect]:
    """Return what each parameter's values change where the cost is the same, those told from chance first.

    A wider layer is more accurate and more expensive; what is of interest is whether it is more accurate than
    another network of the same cost. A smooth curve over the cost, or over its logarithm if it is wide, is
    taken out first, whatever it explains. The list is empty with fewer than ten trials.

    Args:
        values: The objective's values.
        cost: The name of the cost; ``None`` compares without one.
    """
    costs = np.array([np.nan if cost is None else COSTS.get(t, {}).get(cost, np.nan) for t in values.trials])
    has = np.isfinite(costs) if cost is not None else np.ones(len(costs), dtype=bool)
    y = values.y[has]
    if len(y) < FEWEST or np.ptp(y) == 0:
        return []
    factors = Factors([trial for trial, there in zip(values.trials, has, strict=True) if there])
    beside = None if cost is None else _curve_over(costs[has])
    effects = analyse(factors, y, values.doubts[has], beside)
    found = [_effect(values, effects, i, float(np.median(y))) for i in range(len(factors.factors))]
    return sorted(found, key=lambda effect: (not effect.told, -effect.clarity))


def _curve_over(costs: Array) -> Array:
    costs = decades(costs) if is_wide(costs) else costs
    low, high = float(costs.min()), float(costs.max())
    return curves(shares(costs, low, high)) if high / 2 > low / 2 else np.empty((len(costs), 0))


def _effect(values: Observed, effects: Effects, i: int, typical: float) -> Effect:
    factor, curve = effects.factors.factors[i], effects.curve(i)
    # On the objective's own scale, at a typical network.
    changes = values.scale.inverse(typical + curve) - values.scale.inverse(np.array([typical]))
    places = list(range(len(factor.values)))
    if factor.ordered and len(places) > 3:
        places = [0, len(places) // 2, len(places) - 1]
    if not factor.ordered:
        places.sort(key=lambda place: -changes[:, place].mean())
    choices = [Choice(factor.values[place], *_interval(changes[:, place])) for place in places]
    apart = _interval(changes[:, places[0]] - changes[:, places[-1]])
    return Effect(factor.name, any(i in part for part in effects.parts), choices, apart)


def _interval(samples: Array) -> tuple[float, float, float]:
    low, high = np.quantile(samples, ((1 - _SURE) / 2, (1 + _SURE) / 2))
    return float(samples.mean()), float(low), float(high)
