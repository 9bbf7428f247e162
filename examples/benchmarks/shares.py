"""What searches of one study came to, side by side: shares of the hypervolume of all of them, over time."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import TrialState
from rich.box import SIMPLE_HEAD
from rich.table import Table

from optnas import UserError, pareto
from optnas.pareto.scale import is_wide
from optnas.trials.record import TWIN
from optnas.trials.rungs import rungs_of

# Points of the curves over time.
POINTS = 40


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one search came to.

    Attributes:
        seconds: When each complete trial ended, counted from the start of the first trial.
        values: Its values, to be minimised, shape (trials, objectives).
        trials: How many trials ended.
        epochs: The epochs trained, those of pruned trials included.
    """

    seconds: NDArray[np.float64]
    values: NDArray[np.float64]
    trials: int
    epochs: int

    @classmethod
    def of(cls, study: optuna.Study, signs: Sequence[int], seconds: float, full: int) -> Outcome:
        trials = [trial for trial in study.trials if trial.datetime_start is not None]
        began = min(trial.datetime_start for trial in trials)
        ended = [
            (trial, (trial.datetime_complete - began).total_seconds())
            for trial in trials
            if trial.state.is_finished() and trial.datetime_complete is not None
        ]
        ended = [(trial, at) for trial, at in ended if at <= seconds]
        complete = [
            (at, trial.values)
            for trial, at in ended
            if trial.state == TrialState.COMPLETE
            and all(broken <= 0 for broken in trial.constraints.values())
        ]
        epochs = sum(
            full if trial.state == TrialState.COMPLETE else max(rungs_of(trial), default=0)
            for trial, _ in ended
            if TWIN.of(trial) is None
        )
        values = np.array([values for _, values in complete]).reshape(-1, len(signs)) * np.array(signs)
        return cls(np.array([at for at, _ in complete]), values, len(ended), epochs)

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "seconds": self.seconds.tolist(), "values": self.values.tolist()}

    @classmethod
    def from_json(cls, found: dict[str, Any], objectives: int) -> Outcome:
        values = np.array(found["values"], dtype=float).reshape(-1, objectives)
        return cls(np.array(found["seconds"]), values, found["trials"], found["epochs"])


class Region:
    """Where hypervolume is measured: up to a floor of the first objective, over all costs that were found.

    Args:
        outcomes: All searches of a study.
        floor: The worst value of the first objective that counts, to be minimised.
    """

    def __init__(self, outcomes: Sequence[Outcome], floor: float) -> None:
        every = np.concatenate([outcome.values for outcome in outcomes])
        every = every[every[:, 0] < floor]
        if not len(every):
            raise UserError("no search found anything better than the floor: give another --floor")
        self._floor = floor
        self._decades = [j > 0 and is_wide(column) and column.min() > 0 for j, column in enumerate(every.T)]
        every = self._raw(every)
        self._low = every.min(axis=0)
        self._high = every.max(axis=0)
        self._high[0] = floor
        self._span = np.where(self._high > self._low, self._high - self._low, 1.0)
        self._whole = self._volume(every)

    def share(self, values: NDArray[np.float64]) -> float:
        """Return the share of the hypervolume of all that values, shape (trials, objectives), have."""
        values = values[values[:, 0] < self._floor]
        return self._volume(self._raw(values)) / self._whole if len(values) else 0.0

    def _raw(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = zip(values.T, self._decades, strict=True)
        return np.stack([np.log10(column) if wide else column for column, wide in columns], axis=1)

    def _volume(self, raw: NDArray[np.float64]) -> float:
        # A little beyond, so that what is dearest is of use.
        return pareto.hypervolume((raw - self._low) / self._span, [1.0, *[1.01] * (raw.shape[1] - 1)])


def curve(outcome: Outcome, region: Region, times: Sequence[float]) -> list[float]:
    """Return the share found by each of some times."""
    return [region.share(outcome.values[outcome.seconds <= at]) for at in times]


def standard_error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def compare(outcomes: dict[str, list[Outcome]], floor: float, seconds: float) -> dict[str, dict[str, Any]]:
    """Return the figures of each search of a study."""
    region = Region([outcome for group in outcomes.values() for outcome in group], floor)
    last = seconds
    if not np.isfinite(seconds):
        last = max(float(o.seconds.max(initial=0.0)) for group in outcomes.values() for o in group)
    times = [last * (i + 1) / POINTS for i in range(POINTS)]
    figures: dict[str, dict[str, Any]] = {}
    for name, group in outcomes.items():
        curves = [curve(outcome, region, times) for outcome in group]
        shares = [found[-1] for found in curves]
        figures[name] = {
            "shares": shares,
            "median": statistics.median(shares),
            "mean": statistics.mean(shares),
            "standard_error": standard_error(shares),
            "trials": [outcome.trials for outcome in group],
            "complete": [len(outcome.seconds) for outcome in group],
            "epochs": [outcome.epochs for outcome in group],
            "times": times,
            "curves": curves,
        }
    first = next(iter(figures.values()))["shares"]
    for figure in figures.values():
        apart = [mine - other for mine, other in zip(figure["shares"], first, strict=False)]
        figure["behind_first"] = [statistics.mean(apart), standard_error(apart)]
    return figures


def printed(name: str, figures: dict[str, dict[str, Any]], budget: str) -> Table:
    table = Table(title=f"{name}, {budget}", box=SIMPLE_HEAD)
    table.add_column("search")
    for column in ("median", "mean ± error", "to the first", "¼", "½", "trials", "complete", "epochs"):
        table.add_column(column, justify="right")
    for search_name, figure in figures.items():
        early = [statistics.median(c[POINTS // part - 1] for c in figure["curves"]) for part in (4, 2)]
        counts = [f"{statistics.median(figure[what]):g}" for what in ("trials", "complete", "epochs")]
        apart, error = figure["behind_first"]
        table.add_row(
            search_name,
            f"{figure['median']:.3f}",
            f"{figure['mean']:.3f} ± {figure['standard_error']:.3f}",
            f"{apart:+.3f} ± {error:.3f}",
            *(f"{share:.3f}" for share in early),
            *counts,
        )
    return table


def ranks(every: dict[str, dict[str, dict[str, Any]]]) -> Table:
    """Return each search's place by its mean on every study, and the mean of these places."""
    table = Table(title="Places by the mean", box=SIMPLE_HEAD)
    table.add_column("search")
    for study in every:
        table.add_column(study, justify="right")
    table.add_column("mean", justify="right")
    places: dict[str, list[float]] = {}
    for figures in every.values():
        means = {name: figure["mean"] for name, figure in figures.items()}
        for name, mean in means.items():
            better = sum(other > mean for other in means.values())
            equal = sum(other == mean for other in means.values())
            places.setdefault(name, []).append(1 + better + (equal - 1) / 2)
    for name, found in sorted(places.items(), key=lambda item: statistics.mean(item[1])):
        table.add_row(name, *(f"{place:g}" for place in found), f"{statistics.mean(found):.2f}")
    return table


def plot(every: dict[str, dict[str, dict[str, Any]]], file: Path) -> None:
    """Draw the share over time: medians, with bands from quartile to quartile."""
    import plotly.graph_objects as go
    from plotly.colors import qualitative
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=len(every), cols=1, subplot_titles=list(every), vertical_spacing=0.08)
    colors = {}
    for row, figures in enumerate(every.values(), 1):
        for name, found in figures.items():
            color = colors.setdefault(name, qualitative.Safe[len(colors) % len(qualitative.Safe)])
            low, middle, high = np.quantile(np.array(found["curves"]), [0.25, 0.5, 0.75], axis=0)
            line = {"legendgroup": name, "x": found["times"], "mode": "lines"}
            shade = color.replace("rgb", "rgba").replace(")", ", 0.15)")
            figure.add_trace(go.Scatter(**line, y=low, line_width=0, showlegend=False), row, 1)
            figure.add_trace(
                go.Scatter(**line, y=high, line_width=0, fill="tonexty", fillcolor=shade, showlegend=False),
                row,
                1,
            )
            figure.add_trace(
                go.Scatter(
                    **line, y=middle, line={"color": color, "width": 2}, name=name, showlegend=row == 1
                ),
                row,
                1,
            )
    figure.update_yaxes(title="share of hypervolume")
    figure.update_xaxes(title="seconds", row=len(every), col=1)
    figure.update_layout(template="plotly_white", height=360 * len(every), font={"size": 13})
    figure.write_html(file, include_plotlyjs=True)
