"""Chart of a study's trials as data, for terminals and notebooks: axes, points, the front's steps."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optnas.pareto.scale import is_wide
from optnas.reports.front_table import objective_names
from optnas.reports.numbers import short
from optnas.shown import plain
from optnas.trials.progress import front_of
from optnas.trials.record import is_feasible

__all__ = ["Axis", "Chart", "charts_of"]

_LEAST = 2

Values = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Axis:
    """An axis of a chart.

    Attributes:
        name: What is on it, with an arrow towards better values.
        low: The value at its beginning.
        high: The value at its end.
        log: Whether it is logarithmic.
    """

    name: str
    low: float
    high: float
    log: bool = False

    @classmethod
    def of(cls, name: str, values: Values, direction: StudyDirection | None = None) -> Axis:
        """Return the axis for finite ``values``: logarithmic where costs span more than a factor of ten."""
        smaller = direction == StudyDirection.MINIMIZE
        arrow = "" if direction is None else " ↓" if smaller else " ↑"
        low, high = float(values.min()), float(values.max())
        if low == high:
            around = abs(low) / 2 or 0.5
            low, high = low - around, high + around
            return cls(plain(name) + arrow, low, high)
        return cls(plain(name) + arrow, low, high, smaller and low > 0 and is_wide(values))

    def places(self, values: Values) -> Values:
        """Return where values are between the beginning, at 0, and the end, at 1."""
        low, high = self.low, self.high
        if self.log:
            values, low, high = np.log10(values), math.log10(low), math.log10(high)
        # Halves, as the difference of the largest numbers is infinite.
        return np.asarray(np.clip((values / 2 - low / 2) / (high / 2 - low / 2), 0.0, 1.0))

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Return the place and the label of at most so many round values on it, 2 at least."""
        values = _decades(self.low, self.high, most) if self.log else _round_steps(self.low, self.high, most)
        places = self.places(np.array(values, dtype=float)).tolist()
        return [(place, _label(value)) for place, value in zip(places, values, strict=True)]


def _decades(low: float, high: float, most: int) -> list[float]:
    """Return powers of ten from ``low`` to ``high``, with their multiples where there is room."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = range(first, last + 1)
    inside = [10.0**power for power in powers if low <= 10.0**power <= high]
    if len(inside) > max(2, most):
        return inside[:: -(-len(inside) // max(2, most))]
    for factors in ((1, 2, 5), (1, 3)):
        finer = [factor * 10.0**power for power in powers for factor in factors]
        finer = [value for value in finer if low <= value <= high]
        if len(inside) < len(finer) <= most:
            return finer
    return inside if len(inside) > 1 else [low, high]


def _round_steps(low: float, high: float, most: int) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten from ``low`` to ``high``."""
    rough = high / max(2, most) - low / max(2, most)
    if not math.isfinite(rough) or rough <= 0:
        return [low, high]
    power = 10.0 ** math.floor(math.log10(rough))
    for step in (power, 2 * power, 5 * power, 10 * power, 20 * power):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if 2 <= last - first + 1 <= max(2, most):
            return [min(max(i * step, low), high) for i in range(first, last + 1)]
    return [low, high]


def _label(value: float) -> str:
    if abs(value) >= 1000:
        # Whole multiples of a unit: 1 k, not 1,000, as 100 k stands beside it.
        for unit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
            if unit <= abs(value) < 1000 * unit:
                return f"{value / unit:.4g}{letter}"
        return short(value)
    return f"{value:.4g}" if value == 0 or abs(value) >= 1e-4 else f"{value:.1e}"


@dataclasses.dataclass(frozen=True)
class Chart:
    """Trials by two of their values, and the front among them.

    Attributes:
        x: The axis to the right.
        y: The axis upwards.
        points: Places of the trials, shape (trials, 2); 0 to 1 along both axes.
        best: Places of the front's trials, or of those that were better than all before, shape (trials, 2).
        numbers: The numbers of these.
        steps: Places along the front, from the best value of x on: the best of y so far stays until the
            next is better.
    """

    x: Axis
    y: Axis
    points: Values
    best: Values
    numbers: Sequence[int]
    steps: Values

    @property
    def others(self) -> int:
        """The number of points beside the best."""
        return len(self.points) - len(self.best)


def charts_of(study: optuna.Study, trials: Sequence[FrozenTrial], best: list[FrozenTrial]) -> list[Chart]:
    """Return the charts of a study's complete trials, with their front ``best``.

    The first objective is drawn against each other one; where it is the only one, against the number of the
    trial, with the best so far. What has infinite values is left out; there is none of fewer than two trials.
    """
    complete, best = _finite(trials), _finite(best)
    if len(complete) < _LEAST:
        return []
    names, directions = objective_names(study), study.directions
    if len(directions) == 1:
        return [_best_so_far(names[0], directions[0], complete)]
    values = np.array([trial.values for trial in complete], dtype=float)
    axes = [Axis.of(*each) for each in zip(names, values.T, directions, strict=True)]
    y, charts = axes[0], []
    for i, x in enumerate(axes[1:], 1):
        # With more objectives, a trial of the front may be beaten in these two.
        alone = best if len(axes) == 2 else _finite(front_of(study, complete, (0, i)))
        alone = sorted(alone, key=lambda trial, i=i: trial.values[i])  # type: ignore[misc]
        if directions[i] == StudyDirection.MAXIMIZE:
            alone.reverse()

        def places(of: Values, x: Axis = x, i: int = i) -> Values:
            return np.stack([x.places(of[:, i]), y.places(of[:, 0])], axis=1)

        charts.append(
            Chart(
                x,
                y,
                places(values),
                places(_values(best, values)),
                [trial.number for trial in best],
                places(_values(alone, values)),
            )
        )
    return charts


def _finite(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return [trial for trial in complete if all(map(math.isfinite, trial.values))]


def _values(trials: Sequence[FrozenTrial], like: Values) -> Values:
    return np.array([trial.values for trial in trials], dtype=float).reshape(-1, like.shape[1])


def _best_so_far(name: str, direction: StudyDirection, complete: list[FrozenTrial]) -> Chart:
    sign = 1.0 if direction == StudyDirection.MINIMIZE else -1.0
    numbers = np.array([trial.number for trial in complete], dtype=float)
    values = np.array([trial.values[0] for trial in complete], dtype=float)
    x, y = Axis.of("trial", numbers), Axis.of(name, values, direction)
    points = np.stack([x.places(numbers), y.places(values)], axis=1)
    losses = np.array(
        [sign * v if is_feasible(t) else math.inf for v, t in zip(values, complete, strict=True)]
    )
    least = np.minimum.accumulate(losses)
    better = np.flatnonzero(np.isfinite(losses) & (losses < np.concatenate([[math.inf], least[:-1]])))
    steps = points[better]
    if len(steps):
        steps = np.vstack([steps, [points[-1, 0], steps[-1, 1]]])
    return Chart(x, y, points, points[better], [complete[i].number for i in better], steps)
