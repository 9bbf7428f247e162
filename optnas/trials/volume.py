"""The hypervolume of a study, on axes that are fixed once: the same at any time, in every process."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from optnas import pareto
from optnas.pareto.scale import decades, is_wide, shares
from optnas.trials.directions import signs_of
from optnas.trials.optuna_internals import cached_trials, identity
from optnas.trials.record import AXES, COSTS, is_feasible, objective_names
from optnas.trials.region import Region

__all__ = [
    "Ends",
    "first_complete",
    "hypervolume",
    "hypervolume_course",
    "hypervolume_lacks",
    "keep_axes",
    "settle_axes",
]

Ends = tuple[float | None, float | None]
"""The worst and the best value of an objective; ``None`` if unknown."""

# What is not known of an axis before follows from so many trials, the first to complete.
_FIRST = 10

# By storage, the ids of studies whose axes have no open end: a trial need not read these again.
_settled: WeakKeyDictionary[BaseStorage, set[int]] = WeakKeyDictionary()


def keep_axes(study: optuna.Study, costs: Sequence[Ends]) -> None:
    """Write to a new study what is known of each objective's axis before any trial.

    That is what a constant answer has and the best possible value (:class:`Region`), or for known costs the
    ends of the search space.

    Args:
        study: The study in its storage, with its region.
        costs: The worst and the best value of each objective in a sample of the space.
    """
    region = Region.of(study)
    told = zip(_each(region.chance, len(costs)), _each(region.ideal, len(costs)), strict=True)
    AXES.put(
        study,
        [
            [cost if known is None else known for known, cost in zip(ends, of_space, strict=True)]
            for ends, of_space in zip(told, costs, strict=True)
        ],
    )


def settle_axes(study: optuna.Study) -> None:
    """Write the open ends of the axes to a study once enough trials have completed, so that they stay."""
    storage, number = identity(study)
    if number in _settled.get(storage, ()):
        return
    complete = cached_trials(study, TrialState.COMPLETE)
    if len(complete) < _FIRST:
        return
    axes = _kept(study)
    filled = _filled(study, axes, complete)
    if filled is None:
        return
    if any(end is None for axis in axes for end in axis):
        AXES.put(study, [list(axis) for axis in filled])
    _settled.setdefault(storage, set()).add(number)


def hypervolume(study: optuna.Study, trials: Sequence[FrozenTrial]) -> float | None:
    """Return the hypervolume of feasible complete ``trials`` as a share of that of an ideal one, 0 to 1.

    Every objective has an axis from its reference, at 0, to its ideal, at 1, in decades if they are more
    than a factor of ten apart. The reference is the stated limit, else what a constant answer has, else the
    worst known cost in the space, else the worst of the first ten complete trials; the ideal is the best
    possible value, the best known cost, or as far beyond the best of those trials as the worst is on the
    other side. Values beyond an end count as the end. With one objective this is the best trial's place on
    its axis. As the axes stay, it never falls from trial to trial.

    ``None`` before ten trials are complete, if they are needed.
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    points = _points(study, complete, [trial for trial in complete if is_feasible(trial)])
    return points if points is None else _volume(points)


def hypervolume_lacks(study: optuna.Study, trials: Sequence[FrozenTrial]) -> str:
    """Return why there is no hypervolume of ``trials`` yet, in words; for where it is ``None``."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    left = _FIRST - len(first_complete(complete))
    if left <= 0:
        return "no trial of the first ten has a finite value of each objective"
    costs = {name for trial in complete for name in COSTS.get(trial, {})}
    lacking = []
    for name, (worst, best) in zip(objective_names(study), _kept(study), strict=True):
        wanted = " or ".join(["chance"] * (worst is None) + ["ideal"] * (best is None))
        if wanted and name in costs:
            lacking.append(f"the range of {name} is not known before")
        elif wanted:
            lacking.append(f"the task states no {wanted} of {name}")
    more = "1 more complete trial" if left == 1 else f"{left} more complete trials"
    return f"after {more}, as {' and '.join(lacking)}"


def hypervolume_course(
    study: optuna.Study, trials: Sequence[FrozenTrial], most: int
) -> list[tuple[FrozenTrial, float]]:
    """Return the hypervolume after each trial that raised it, in the order they ended.

    Of more than ``most`` such trials some are left out, spread over the study; the last one never is. Empty
    where :func:`hypervolume` is ``None``.
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    feasible = [trial for trial in complete if is_feasible(trial) and trial.datetime_complete is not None]
    feasible.sort(key=lambda trial: (trial.datetime_complete, trial.number))
    points = _points(study, complete, feasible)
    if points is None or not len(points):
        return []
    best, moved = np.empty((0, points.shape[1])), []
    for trial, point in zip(feasible, points, strict=True):
        if (point < 1).all() and not (best <= point).all(axis=1).any():
            best = np.vstack([best[~(point <= best).all(axis=1)], point])
            moved.append((trial, best))
    kept = [*moved[:: len(moved) // most + 1], *moved[-1:]]
    found = {trial.number: (trial, _volume(front)) for trial, front in kept}
    return list(found.values())


def _points(
    study: optuna.Study, complete: Sequence[FrozenTrial], feasible: Sequence[FrozenTrial]
) -> pareto.Points | None:
    """Return where ``feasible`` trials are on the study's axes: 0 is the ideal, 1 the reference.

    ``None`` as long as there are no axes.
    """
    axes = _filled(study, _kept(study), complete)
    if axes is None:
        return None
    signs = signs_of(study)
    limits = Region.of(study).stated(signs)
    values = np.array([trial.values for trial in feasible], dtype=float).reshape(-1, len(signs))
    columns = []
    for column, sign, limit, ends in zip(values.T, signs, limits, axes, strict=True):
        worst, best = ends[0] * sign, ends[1] * sign
        columns.append(_places(column * sign, worst if np.isnan(limit) else limit, best))
    return np.stack(columns, axis=1)


def _volume(points: pareto.Points) -> float:
    return pareto.hypervolume(points, [1.0] * points.shape[1]) if len(points) else 0.0


def _places(losses: pareto.Points, worst: float, best: float) -> pareto.Points:
    """Return where values to be minimised are between ``best``, at 0, and ``worst``, at 1."""
    if best >= worst:  # a limit beyond all that was known
        best = _beyond(worst, worst)
    ends = np.array([best, worst])
    inside = np.clip(np.nan_to_num(losses, nan=worst), best, worst)
    if is_wide(ends):
        ends, inside = decades(ends), decades(inside)
    return shares(inside, ends[0], ends[1])


def _kept(study: optuna.Study) -> list[Ends]:
    """Return the axes in a study's record; of a study without any, what its region tells."""
    count = len(study.directions)
    kept = AXES.of(study)
    if kept is not None and len(kept) == count:
        return [(worst, best) for worst, best in kept]
    region = Region.of(study)
    return list(zip(_each(region.chance, count), _each(region.ideal, count), strict=True))


def _each(values: Sequence[float | None], count: int) -> Sequence[float | None]:
    return values or [None] * count


def _filled(
    study: optuna.Study, axes: Sequence[Ends], complete: Sequence[FrozenTrial]
) -> list[tuple[float, float]] | None:
    """Return the axes with their open ends filled from the first trials; ``None`` if there are too few."""
    filled, first = [], first_complete(complete)
    for i, (sign, (worst, best)) in enumerate(zip(signs_of(study), axes, strict=True)):
        if worst is None or best is None:
            seen = np.array([trial.values[i] for trial in first], dtype=float) * sign
            seen = seen[np.isfinite(seen)]
            if len(first) < _FIRST or not len(seen):
                return None
            low, high = float(seen.min()), float(seen.max())
            worst = float(sign * high) if worst is None else worst
            best = float(sign * _beyond(low, high)) if best is None else best
        filled.append((worst, best))
    return filled


def first_complete(complete: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return those of complete trials from which the open ends of axes follow: the first ten that ended."""
    ended = [trial for trial in complete if trial.datetime_complete is not None]
    ended.sort(key=lambda trial: (trial.datetime_complete, trial.number))
    return ended[:_FIRST]


def _beyond(low: float, high: float) -> float:
    """Return a value to be minimised as far below ``low`` as ``high`` is above; 0 at least if both are."""
    if is_wide(np.array([low, high])):
        return max(low * (low / high), -sys.float_info.max)
    further = max(low - ((high - low) or abs(low) or 1.0), -sys.float_info.max)
    return max(further, 0.0) if low > 0 else further
