"""Importance of each parameter of a study, for an objective, a cost or a metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import optuna
from numpy.typing import NDArray

from optnas.reports.anova import Effects, Part, analyse
from optnas.reports.factors import Factors
from optnas.reports.observed import Observed, observed

__all__ = ["FEWEST", "Importance", "effects_of", "importances", "ranked"]

Array = NDArray[np.float64]

FEWEST = 10
"""With fewer trials than this nothing can be told."""


@dataclass(frozen=True)
class Importance:
    """The share of the differences between networks that a parameter explains.

    Attributes:
        name: The parameter's name.
        mean: The share, from 0 to 1; 0 if it cannot be told from chance. What two parameters explain only
            together counts half for each. All shares and what nothing explains, which is chance in training
            and effects too weak to be told, add up to 1.
        deviation: The share's standard deviation.
    """

    name: str
    mean: float
    deviation: float


def importances(study: optuna.Study, objective: str) -> list[Importance]:
    """Return the importance of every parameter, best first: Shapley values of a functional ANOVA.

    A conditional parameter, which only some networks have, explains differences among these alone; what it
    changes that there are such networks at all is an effect of the parameters that decide so. The shares are
    over random networks of the search space, not over the trials, which a sampler drew together around good
    values. The list is empty with fewer than ten trials, or if all values are equal.

    Args:
        study: Any Optuna study; several objectives, pruned and infeasible trials are understood.
        objective: The name of an objective, or of a cost or metric in the trials' records.

    Raises:
        UserError: If no trial has such a value.
    """
    values = observed(study, objective)
    effects = effects_of(values)
    return [] if effects is None else ranked(effects, effects.shares())


def effects_of(values: Observed) -> Effects | None:
    """Fit a functional ANOVA to values; ``None`` with fewer than ten trials, or if all values are equal."""
    if len(values.y) < FEWEST or np.ptp(values.y) == 0:
        return None
    return analyse(Factors(values.trials), values.y, values.doubts)


def ranked(effects: Effects, shares: Mapping[Part, Array]) -> list[Importance]:
    """Return the importance of every parameter, best first, given the samples of the effects' shares."""
    found = []
    for i, factor in enumerate(effects.factors.factors):
        each = [share / len(part) for part, share in shares.items() if i in part]
        samples = np.sum(each, axis=0) if each else np.zeros(1)
        found.append(Importance(factor.name, float(samples.mean()), float(samples.std())))
    return sorted(found, key=lambda importance: -importance.mean)
