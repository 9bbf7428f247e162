"""The figure of learning curves, also of several objectives, with prunings marked."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from optnas.errors import UserError
from optnas.reports.about import about
from optnas.reports.figures.parts import (
    ACCENT,
    GREY,
    ORANGE,
    Drawn,
    as_figure,
    axis,
    layout,
    log_ticks,
    names_of,
)
from optnas.trials.progress import front
from optnas.trials.record import TWIN
from optnas.trials.rungs import rungs_of
from optnas.trials.states import LEARNED_NOTHING, state_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["curve_of", "curves_figure", "draw_curves"]

_MOST_TRIALS = 300
# The name of a searched setting, in the text of its hole.
_NAME = re.compile(r"\bname='([^']+)'")
_KINDS: dict[str, dict[str, Any]] = {
    "complete": {"color": GREY, "width": 1},
    "pruned": {"color": ORANGE, "width": 1},
    LEARNED_NOTHING: {"color": ORANGE, "width": 1, "dash": "dot"},
    "on the front": {"color": ACCENT, "width": 2},
}


def curves_figure(study: optuna.Study) -> Figure:
    """Draw the reports of the trials at their rungs, of the first objective that training changes.

    A trial that was stopped ends with a cross. Of more than 300 trials those of the front and the last ones
    are drawn.

    Raises:
        UserError: If no trial has reported at two steps, its end included.
    """
    return as_figure(draw_curves(study, study.get_trials(deepcopy=False)), study.study_name)


def draw_curves(study: optuna.Study, trials: Sequence[FrozenTrial]) -> Drawn:
    """See :func:`curves_figure`."""
    best = {trial.number for trial in front(study, list(trials))}
    settings = about(study).training or {}
    curves = {trial.number: curve_of(trial, settings) for trial in trials if trial.state.is_finished()}
    curves = {number: curve for number, curve in curves.items() if curve}
    ended = _with_ends(curves, trials, settings)
    index = _index(curves)
    if index is None:
        raise UserError(f"study {study.study_name!r} has no trial that reported at two steps")
    chosen = [*(n for n in curves if n in best), *(n for n in reversed(curves) if n not in best)]
    told = len(curves) if len(chosen) <= _MOST_TRIALS else _MOST_TRIALS
    states = {trial.number: state_of(trial) for trial in trials}
    groups: dict[str, list[int]] = {kind: [] for kind in _KINDS}
    for number in chosen[:told]:
        kind = "on the front" if number in best else states[number]
        groups[kind if kind in groups else "complete"].append(number)
    data = [
        _lines(groups[kind], kind, curves, ended, index, line)
        for kind, line in _KINDS.items()
        if groups[kind]
    ]
    steps = [step for number in chosen[:told] for step in curves[number]]
    which = "" if told == len(curves) else f", {told} of {len(curves):,} trials"
    wide = min(steps) > 0 and max(steps) > 10 * min(steps)
    scale = (
        {"type": "log", **log_ticks(min(steps), max(steps))}
        if wide
        else {"tickformat": "d", "nticks": min(10, max(steps))}
    )
    title = f"learning curves{which}"
    axes = {"xaxis": axis("epochs", **scale), "yaxis": axis(names_of(study)[index])}
    return {"data": data, "layout": layout(title, **axes)}


def curve_of(trial: FrozenTrial, settings: Mapping[str, str]) -> dict[int, list[float]]:
    """Return the objectives' values of a trial by step: its reports at the rungs, and its end.

    The end is known if the record says for how many epochs the trial was trained, itself or among the
    study's training ``settings``; not of one that was not trained.
    """
    if TWIN.of(trial) is not None:
        return {}
    curve = {step: list(values) for step, values in rungs_of(trial).items()}
    epochs = _epochs(trial, settings)
    if curve and trial.state == TrialState.COMPLETE and epochs is not None and epochs > max(curve):
        curve[epochs] = list(trial.values)
    return curve


def _epochs(trial: FrozenTrial, settings: Mapping[str, str]) -> int | None:
    """Return for how many epochs a complete trial was trained; ``None`` if its record does not say so."""
    setting = settings.get("epochs", "")
    named = _NAME.search(setting)
    epochs = str(trial.params.get(named[1] if named else "epochs", setting))
    return int(epochs) if epochs.isdecimal() and len(epochs) < 10 else None


def _with_ends(
    curves: dict[int, dict[int, list[float]]], trials: Sequence[FrozenTrial], settings: Mapping[str, str]
) -> set[int]:
    """Add a complete trial's values to its curve where it is unknown after how many epochs it ended.

    They stand one step behind its last report. The numbers of these trials are returned.
    """
    ended = set()
    for trial in trials:
        curve = curves.get(trial.number)
        if curve and trial.state == TrialState.COMPLETE and _epochs(trial, settings) is None:
            last = max(curve)
            if curve[last] != trial.values:
                curve[last + 1] = list(trial.values)
                ended.add(trial.number)
    return ended


def _index(curves: Mapping[int, Mapping[int, Sequence[float]]]) -> int | None:
    """Return the first objective that changes within a curve; ``None`` if there is none."""
    moving = {
        i
        for curve in curves.values()
        for i, values in enumerate(zip(*curve.values(), strict=False))
        if len(set(values)) > 1
    }
    return min(moving, default=None)


def _lines(
    numbers: Sequence[int],
    kind: str,
    curves: Mapping[int, Mapping[int, Sequence[float]]],
    ended: Container[int],
    index: int,
    line: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the curves of some trials as one line with gaps."""
    stopped = kind in ("pruned", LEARNED_NOTHING)
    x: list[int | None] = []
    y: list[float | None] = []
    sizes: list[int] = []
    text: list[str] = []
    for number in numbers:
        curve = {step: values[index] for step, values in curves[number].items() if index < len(values)}
        x += [*curve, None]
        y += [*curve.values(), None]
        # A mark where it was stopped; a curve of one point has no line.
        end = 7 if stopped or len(curve) == 1 else 0
        sizes += [*([0] * (len(curve) - 1)), end, 0]
        at = [f"after {step}" for step in curve]
        text += [
            f"trial {number}, {kind}, {when}"
            for when in [*at[:-1], "at its end" if number in ended else at[-1]]
        ]
        text.append("")
    symbol = "x" if stopped else "circle"
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": kind,
        "x": x,
        "y": [None if value is None else float(f"{value:.5g}") for value in y],
        "text": text,
        "hovertemplate": "%{text}: %{y}<extra></extra>",
        "line": dict(line),
        "marker": {"color": line["color"], "symbol": symbol, "size": sizes, "line": {"width": 0}},
    }
