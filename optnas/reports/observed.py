"""The values of an objective, cost or metric in a study's trials, on a scale on which effects add up."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from optnas.errors import UserError, nearest
from optnas.pareto.scale import is_wide
from optnas.reports.front_table import objective_names
from optnas.reports.space_costs import costs_of_space
from optnas.samplers.domain import FlatDomain
from optnas.samplers.fidelity import evidence
from optnas.samplers.forecast import Forecast
from optnas.samplers.history import observed as observation_of
from optnas.shown import plain
from optnas.trials.directions import signs_of
from optnas.trials.record import COSTS, FINITE, METRICS, TWIN, Attribute, constraints_of
from optnas.trials.region import Region
from optnas.trials.rungs import rungs_of

__all__ = ["Observed", "Scale", "observed"]

Array = NDArray[np.float64]

# More trials tell an analysis little more, and predicting the end of pruned ones takes long among many.
_MOST, _MOST_PREDICTED = 2000, 400
# Beyond so many interquartile ranges from the quartiles values count as there: a few failed trainings do not
# decide everything.
_FAR = 3.0


@dataclass(frozen=True)
class Scale:
    """Scale of an analysis: values as they are, or their decimal logarithms if they are wide.

    Attributes:
        ideal: The best possible value, if logarithms are of the distance to it.
        sign: 1 if values are above the ideal, -1 if below.
        wide: Whether values are compared by logarithms.
        least: Distances are taken to be at least this large.
    """

    ideal: float
    sign: float
    wide: bool
    least: float

    @classmethod
    def of(cls, values: Array, sign: float, ideal: float | None) -> Scale:
        """Return the scale of values of an objective.

        Args:
            values: The values.
            sign: 1 if it is to be minimised, -1 if it is to be maximised.
            ideal: The best possible value; without one, 0 is that of what is minimised.
        """
        best = 0.0 if ideal is None and sign > 0 else ideal
        if best is None:
            return _AS_IT_IS
        distances = sign * (values - best)
        positive = distances[distances > 0]
        if len(positive) and (distances >= 0).all():
            least = float(positive.min()) / 2
            if is_wide(np.maximum(distances, least)):
                return cls(best, sign, True, least)
        return _AS_IT_IS

    def __call__(self, values: Array) -> Array:
        if not self.wide:
            return values
        return np.asarray(np.log10(np.maximum(self.sign * (values - self.ideal), self.least)))

    def inverse(self, scaled: Array) -> Array:
        if not self.wide:
            return scaled
        return np.asarray(self.ideal + self.sign * np.power(10.0, np.minimum(scaled, 300.0)))


_AS_IT_IS = Scale(0.0, 1.0, wide=False, least=0.0)


@dataclass(frozen=True)
class Observed:
    """Values of trials.

    Attributes:
        name: What the values are of.
        trials: The trials, in the order of their numbers.
        values: The values of each.
        scale: Their scale.
        y: The values on that scale, without outliers.
        doubts: Standard deviation on that scale of values predicted of pruned trials; 0 for others.
        exact: Whether they are known before training.
        drawn: Whether the trials are none of the study, but random candidates of its space.
        predicted: Number of pruned trials whose values are predicted.
        diverged: Number of trials that diverged, and count as what has learned nothing.
        known: Number of trials with a value, of which so many were drawn at random if they are more.
    """

    name: str
    trials: list[FrozenTrial]
    values: Array
    scale: Scale
    y: Array
    doubts: Array
    exact: bool
    drawn: bool
    predicted: int
    diverged: int
    known: int


def observed(study: optuna.Study, name: str) -> Observed:
    """Return the values of an objective, or of anything else recorded under that name.

    Costs that follow from the architecture are those of random candidates of the space, if the study's record
    tells it. Other costs known before training are those of all trials, whatever became of them: of feasible
    ones alone the expensive half would be missing. Of anything measured, pruned trials count by what they are
    predicted to come to, with its doubt, and those that diverged as what has learned nothing: left out, a bad
    choice would look as good as its few survivors. A trial that copied another's values is not one more.

    Raises:
        UserError: If no trial has such a value.
    """
    trials = study.get_trials(deepcopy=False)
    names = objective_names(study)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE and TWIN.of(trial) is None]
    index = names.index(name) if name in names else None
    costs = _recorded(COSTS, trials, name)
    if costs:
        drawn = costs_of_space(study, name)
        if drawn is not None:
            numbered = dict(enumerate(drawn[1]))
            return _observed(study, name, index, drawn[0], numbered, {}, {}, exact=True, drawn=True)
        return _observed(study, name, index, trials, costs, {}, {}, exact=True)
    if index is not None:
        found = {trial.number: trial.values[index] for trial in complete}
        return _observed(
            study,
            name,
            index,
            trials,
            found,
            _predicted(study, trials, index),
            _diverged(study, trials, index),
        )
    found = _recorded(METRICS, complete, name)
    if found:
        return _observed(study, name, None, trials, found, {}, {})
    known = {each for record in (COSTS, METRICS) for trial in trials for each in record.get(trial, {})}
    hint = nearest(name, {*names, *known})
    raise UserError(f"study {plain(study.study_name)!r} has no values of {plain(name)!r}: {hint}")


def _recorded(record: Attribute[dict[str, float]], trials: list[FrozenTrial], name: str) -> dict[int, float]:
    return {t.number: value for t in trials if (value := record.get(t, {}).get(name)) is not None}


def _observed(
    study: optuna.Study,
    name: str,
    index: int | None,
    trials: list[FrozenTrial],
    found: dict[int, float],
    predicted: dict[int, tuple[float, float]],
    diverged: dict[int, float],
    *,
    exact: bool = False,
    drawn: bool = False,
) -> Observed:
    """Return the values found, or else predicted, by the number of the trial."""
    both = {n: (value, 0.0) for n, value in (diverged | found).items()}
    both = {n: pair for n, pair in (predicted | both).items() if all(map(math.isfinite, pair))}
    numbers, known = sorted(both), len(both)
    if len(numbers) > _MOST:
        numbers = sorted(random.Random(0).sample(numbers, _MOST))
    values, deviations = np.array([both[n] for n in numbers], dtype=float).reshape(-1, 2).T
    sign = 1.0 if index is None else float(signs_of(study)[index])
    ideals = Region.of(study).ideal
    scale = Scale.of(values, sign, None if index is None or not ideals else ideals[index])
    y = _without_outliers(scale(values))
    return Observed(
        name=name,
        trials=[trials[n] for n in numbers],
        values=values,
        scale=scale,
        y=y,
        doubts=np.abs(scale(values + sign * deviations) - scale(values)),
        exact=exact,
        drawn=drawn,
        predicted=len([n for n in numbers if n not in found and n not in diverged]),
        diverged=len([n for n in numbers if n not in found and n in diverged]),
        known=known,
    )


def _without_outliers(y: Array) -> Array:
    if not len(y):
        return y
    low, high = np.quantile(y, (0.25, 0.75))
    far = _FAR * (high - low)
    return np.asarray(np.clip(y, low - far, high + far)) if far > 0 else y


def _diverged(study: optuna.Study, trials: list[FrozenTrial], index: int) -> dict[int, float]:
    """Return what a constant answer has, if known, for each trial that diverged."""
    chance = (Region.of(study).chance or [None] * (index + 1))[index]
    if chance is None:
        return {}
    return {t.number: chance for t in trials if constraints_of(t).get(FINITE, 0) > 0}


def _predicted(study: optuna.Study, trials: list[FrozenTrial], index: int) -> dict[int, tuple[float, float]]:
    """Return the value each pruned trial is predicted to come to, with its standard deviation."""
    ended = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    ended = [trial for trial in ended if TWIN.of(trial) is None and rungs_of(trial)]
    if not any(trial.state == TrialState.PRUNED for trial in ended):
        return {}
    if len(ended) > _MOST_PREDICTED:
        ended = random.Random(0).sample(ended, _MOST_PREDICTED)
    domain, signs = _Recorded(study, ended), signs_of(study)
    told = evidence([observation_of(trial, domain, signs) for trial in ended], Forecast(domain, signs))
    sign = signs[index]
    return {
        observation.number: (float(sign * values[index]), float(deviations[index]))
        for observation, values, deviations in zip(
            told.observations, told.values, told.deviations, strict=True
        )
    }


class _Recorded(FlatDomain):
    """The search space of recorded trials, with the region of interest in the study's record."""

    def __init__(self, study: optuna.Study, trials: list[FrozenTrial]) -> None:
        super().__init__(FlatDomain.of(trials).distributions)
        self._region = Region.of(study)

    @property
    def region(self) -> Region:
        return self._region
