"""The findings of a search, as sentences with their figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optnas.pareto.scale import is_wide
from optnas.reports.about import About
from optnas.reports.front_table import objective_names
from optnas.reports.numbers import choice_text, short
from optnas.reports.preferences import Preference, preferences
from optnas.reports.report.baselines import Baseline
from optnas.shown import duration, plain
from optnas.trials.progress import front
from optnas.trials.record import training_seconds

__all__ = ["findings", "spent", "value_of"]

_NORMAL_95 = 1.96
# Metrics that are shares of the samples.
_SHARES = ("accuracy", "error")
_MOST_BUDGETS, _MOST_PREFERENCES = 4, 3


def findings(
    study: optuna.Study, trials: Sequence[FrozenTrial], known: About, baselines: Sequence[Baseline]
) -> list[str]:
    """Return what the front is, what it has at which cost, what it prefers and what it is better than."""
    best = front(study, list(trials))
    if not best:
        return ["No trial is complete yet: there is nothing to tell."]
    return [
        *_ends(study, trials, best, known),
        *_at_budgets(study, best, known),
        *_against(study, best, known, baselines),
        *_preferred(preferences(study, trials)),
    ]


def value_of(name: str, value: float, known: About, *, interval: bool = True) -> str:
    """Return a value for people; a share of the validation samples in percent, with its 95 % interval."""
    count = (known.samples or {}).get("validation")
    if name not in _SHARES or known.task != "classification" or not 0 <= value <= 1:
        return short(value)
    text = f"{value:.1%}"
    if not interval or not count:
        return text
    # Wilson's half width, which is not 0 at the ends.
    square = _NORMAL_95**2
    half = math.sqrt(value * (1 - value) / count + square / (4 * count**2)) / (1 + square / count)
    return f"{text} ± {100 * _NORMAL_95 * half:.1f}"


def _ends(
    study: optuna.Study, trials: Sequence[FrozenTrial], best: Sequence[FrozenTrial], known: About
) -> list[str]:
    names = objective_names(study)
    complete = sum(trial.state == TrialState.COMPLETE for trial in trials)
    many = f"Of {complete:,} trained network{'s' * (complete != 1)}"
    first = _values(names, best[0], known)
    if len(best) == 1:
        return [f"{many} trial {best[0].number} is the best: {first}."]
    last = _values(names, best[-1], known)
    return [
        f"{many} {len(best)} are on the front, which no other beats in everything: from {first}"
        f" (trial {best[0].number}) to {last} (trial {best[-1].number})."
    ]


def _values(names: Sequence[str], trial: FrozenTrial, known: About) -> str:
    told = [f"{plain(n)} {value_of(n, v, known)}" for n, v in zip(names, trial.values, strict=True)]
    return ", ".join(told)


def _at_budgets(study: optuna.Study, best: Sequence[FrozenTrial], known: About) -> list[str]:
    """Return the best first objective within round limits of the others that are wide, such as costs."""
    names, said = objective_names(study), []
    upwards = study.directions[0] == StudyDirection.MAXIMIZE
    for i, (name, direction) in enumerate(zip(names, study.directions, strict=True)):
        values = np.array([trial.values[i] for trial in best])
        costly = direction == StudyDirection.MINIMIZE and (values > 0).all() and is_wide(values)
        if i == 0 or not costly:
            continue
        low, high = math.ceil(math.log10(values.min())), math.ceil(math.log10(values.max()))
        for limit in (10.0**exponent for exponent in range(low, high + 1)[-_MOST_BUDGETS:]):
            within = [trial for trial in best if trial.values[i] <= limit]
            if within:
                chosen = max(within, key=lambda trial: trial.values[0] * (1 if upwards else -1))
                has = value_of(names[0], chosen.values[0], known)
                said.append(
                    f"At most {short(limit)} {plain(name)}: {plain(names[0])} {has}, trial {chosen.number}."
                )
    return said


def _against(
    study: optuna.Study, best: Sequence[FrozenTrial], known: About, baselines: Sequence[Baseline]
) -> list[str]:
    names, said = objective_names(study), []
    for i, name in enumerate(names):
        there = [each for each in baselines if name in each.metrics]
        if there:
            upwards = study.directions[i] == StudyDirection.MAXIMIZE
            values = [trial.values[i] for trial in best]
            ours = value_of(name, max(values) if upwards else min(values), known)
            told = " and ".join(f"{value_of(name, b.metrics[name], known)} of {b.name}" for b in there)
            said.append(f"The best {plain(name)} of the front is {ours}, beside {told}.")
    return said


def _preferred(found: Sequence[Preference]) -> list[str]:
    """Return the choices of the front that are surely more frequent than by chance and in all trials."""
    more = [each for each in found if each.low > each.chance and each.on_front > each.in_all]
    return [
        f"{plain(each.name)} = {plain(choice_text(each.name, each.value))} makes up {each.on_front:.0%} of"
        f" the front ({each.low:.0%} to {each.high:.0%}), {each.in_all:.0%} of all trials and"
        f" {each.chance:.0%} by chance."
        for each in more[:_MOST_PREFERENCES]
    ]


def spent(trials: Sequence[FrozenTrial]) -> str:
    """Return what the search took: trials, time from the first to the last, and time of training."""
    ended = [trial for trial in trials if trial.datetime_start and trial.datetime_complete]
    if not ended:
        return "Nothing yet."
    begun = min(t.datetime_start for t in ended if t.datetime_start)
    wall: timedelta = max(t.datetime_complete for t in ended if t.datetime_complete) - begun
    said = f"{len(ended):,} trials from {begun:%Y-%m-%d %H:%M} on, over {duration(wall.total_seconds())}"
    seconds = [found for trial in trials if (found := training_seconds(trial)) is not None]
    if seconds:
        said += f"; training of the complete ones took {duration(sum(seconds))} in all"
    return f"{said}."
