"""Importances, interactions and effects of a study's parameters on an objective."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import Any

import numpy as np
import optuna

from optnas.reports.effects import Effect, cost_beside, effects_at_equal_cost
from optnas.reports.importance import FEWEST, Importance, effects_of, ranked
from optnas.reports.observed import observed
from optnas.reports.preferences import pooled_name

__all__ = ["Explanation", "Pair", "explain"]


@dataclasses.dataclass(frozen=True)
class Pair:
    """Interaction of two parameters: the share of variance that only both together explain.

    Attributes:
        names: The names of the two.
        mean: The share of the differences between networks, beyond what each explains alone.
        deviation: The share's standard deviation.
    """

    names: tuple[str, str]
    mean: float
    deviation: float


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Importances, interactions and effects of parameters on an objective, a cost or a metric.

    Attributes:
        objective: Its name.
        trials: Number of trials that it is told from.
        known: Number of trials that have it, of which those were drawn at random if they are more.
        exact: Whether it is known before training.
        drawn: Whether it was computed of so many random networks of the space, and not read from trials.
        predicted: Number of pruned trials among them, which count by what they are predicted to come to.
        diverged: Number of diverged trials among them, which count as what has learned nothing.
        equal: Whether all have the same value.
        importances: The importance of every parameter, best first; empty if there are too few trials.
        unexplained: The share of the differences that nothing explains.
        pairs: Parameters that interact, the strongest first.
        cost: The cost that choices are compared at; ``None`` if they are compared without one.
        effects: What each parameter's values change where that cost is the same.
    """

    objective: str
    trials: int
    known: int
    exact: bool
    drawn: bool
    predicted: int
    diverged: int
    equal: bool
    importances: list[Importance] = dataclasses.field(default_factory=list)
    unexplained: float | None = None
    pairs: list[Pair] = dataclasses.field(default_factory=list)
    cost: str | None = None
    effects: list[Effect] = dataclasses.field(default_factory=list)

    @property
    def told(self) -> list[Importance]:
        """The parameters whose effect is told from chance, best first."""
        return [each for each in self.importances if each.mean > 0]

    @property
    def kinds(self) -> dict[str, float]:
        """The shares of the copies of a repeated part's parameters together, such as ``layer*.op``.

        Largest first, and only if several copies have one.
        """
        sums: dict[str, list[float]] = defaultdict(list)
        for each in self.told:
            sums[pooled_name(each.name)].append(each.mean)
        kinds = {name: sum(shares) for name, shares in sums.items()}
        if all(len(shares) == 1 for shares in sums.values()):
            return {}
        return dict(sorted(kinds.items(), key=lambda kind: -kind[1]))

    def as_record(self) -> dict[str, Any]:
        """Return everything as a dictionary that can be written as JSON."""
        return {**dataclasses.asdict(self), "kinds": self.kinds}


@np.errstate(over="ignore", invalid="ignore")  # of the largest numbers
def explain(study: optuna.Study, objective: str) -> Explanation:
    """Return what the trials tell of an objective, or of any cost or metric in their records.

    Raises:
        UserError: If no trial has such a value.
    """
    values = observed(study, objective)
    found = Explanation(
        objective=objective,
        trials=len(values.y),
        known=values.known,
        exact=values.exact,
        drawn=values.drawn,
        predicted=values.predicted,
        diverged=values.diverged,
        equal=len(values.y) >= FEWEST and bool(np.ptp(values.y) == 0),
    )
    effects = effects_of(values)
    if effects is None:
        return found
    names = [factor.name for factor in effects.factors.factors]
    shares = effects.shares()
    pairs = [
        Pair((names[part[0]], names[part[1]]), float(share.mean()), float(share.std()))
        for part, share in shares.items()
        if len(part) == 2
    ]
    cost = cost_beside(study, objective)
    return dataclasses.replace(
        found,
        importances=ranked(effects, shares),
        unexplained=1 - float(sum(share.mean() for share in shares.values())),
        pairs=sorted(pairs, key=lambda pair: -pair.mean),
        cost=cost,
        effects=[] if values.exact else effects_at_equal_cost(values, cost),
    )
