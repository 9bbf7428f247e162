"""Figures of a study, drawn with plotly."""

from __future__ import annotations

import html
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optnas.errors import UserError
from optnas.pareto.scale import is_wide
from optnas.reports.front_table import objective_names
from optnas.reports.numbers import rounded, short
from optnas.shown import plain
from optnas.trials.progress import front, front_of
from optnas.trials.record import ARCHITECTURE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["front_figure", "write_figure"]

_COLUMNS = 2
# Heights in pixels: of a panel, between two, of what is above them and below, of plotly's tools.
_PANEL, _BETWEEN, _TOP, _BOTTOM, _TOOLS = 330, 70, 80, 85, 36

_INK, _GREY, _ACCENT = "#1f2933", "#b8c1cc", "#0b6e99"


def front_figure(study: optuna.Study) -> Figure:
    """Draw all complete trials and the Pareto front: the first objective against each other one.

    With more than two objectives every pair has a panel. The front's trials are then markers, as in a panel
    others may be better in both of its objectives; the line is the front of these two alone. An axis is
    logarithmic if the values span more than a factor of ten and smaller ones are better, as of costs.

    Raises:
        UserError: If the study has fewer than two objectives, or no complete trial.
    """
    from plotly.subplots import make_subplots

    others = len(study.directions) - 1
    if others < 1:
        raise UserError(f"study {study.study_name!r} has one objective; a front needs two")
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        raise UserError(f"study {study.study_name!r} has no complete trial yet")
    rows = -(-others // _COLUMNS)
    figure = make_subplots(
        rows,
        min(others, _COLUMNS),
        horizontal_spacing=0.08,
        vertical_spacing=_BETWEEN / (rows * _PANEL),
        shared_yaxes=True,
    )
    for x in range(1, others + 1):
        _draw_pair(figure, study, complete, x)
    figure.update_layout(
        template="plotly_white",
        font={"color": _INK, "size": 14},
        width=800,
        height=_TOP + rows * _PANEL + _BOTTOM,
        margin={"l": 80, "r": 30, "t": _TOP, "b": _BOTTOM},
        title={
            "text": f"{_text(study.study_name)}: {len(complete)} trained"
            f" architecture{'s' * (len(complete) > 1)}",
            "yref": "container",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": _TOOLS},
        },
        legend={
            "orientation": "h",
            "x": 0.5,
            "xanchor": "center",
            "yref": "container",
            "y": 0.01,
            "yanchor": "bottom",
        },
    )
    return figure


def _draw_pair(figure: Figure, study: optuna.Study, complete: list[FrozenTrial], x: int) -> None:
    """Draw the first objective against the one of index ``x``, in the panel of that pair."""
    row, column = divmod(x - 1, _COLUMNS)
    place: dict[str, Any] = {"row": row + 1, "col": column + 1}
    pair, alone = len(study.directions) == 2, front_of(study, complete, (0, x))
    alone.sort(key=lambda trial: trial.values[x], reverse=study.directions[x] == StudyDirection.MAXIMIZE)
    grey, accent = {"color": _GREY, "size": 7}, {"color": _ACCENT, "size": 10}
    # From the best along x on, the best so far stays until the next trial is better.
    steps = {"mode": "lines", "line": {"color": _ACCENT, "width": 2, "shape": "hv"}}
    first = {"showlegend": x == 1}
    figure.add_scatter(
        **_points(study, complete, x), mode="markers", marker=grey, name="all trials", **first, **place
    )
    if pair:
        steps |= {"mode": "lines+markers", "marker": accent}
    else:
        best = front(study, complete)
        name = f"Pareto front of all {len(study.directions)} objectives"
        figure.add_scatter(
            **_points(study, best, x), mode="markers", marker=accent, name=name, **first, **place
        )
    name = "Pareto front" if pair else "front of the two alone"
    figure.add_scatter(**_points(study, alone, x), name=name, **steps, **first, **place)
    names = [_text(name) for name in objective_names(study)]
    figure.update_xaxes(title={"text": names[x], "standoff": 8}, **_axis(study, complete, x), **place)
    figure.update_yaxes(
        title={"text": names[0] if column == 0 else None}, **_axis(study, complete, 0), **place
    )


def _axis(study: optuna.Study, trials: list[FrozenTrial], index: int) -> dict[str, Any]:
    values = np.array([trial.values[index] for trial in trials])
    values = values[np.isfinite(values)]
    if not len(values):
        return {}
    low, high = float(values.min()), float(values.max())
    smaller = study.directions[index] == StudyDirection.MINIMIZE
    if low == high:
        around = abs(low) / 2 or 0.5
        return {"range": [low - around, low + around], "nticks": 4}
    if smaller and low > 0 and is_wide(values):
        return {"type": "log", "dtick": 1 if high > 100 * low else "D2"}
    return {}


def _points(study: optuna.Study, trials: list[FrozenTrial], x: int) -> dict[str, Any]:
    names = [_text(name) for name in objective_names(study)]
    return {
        "x": [trial.values[x] for trial in trials],
        "y": [trial.values[0] for trial in trials],
        "text": [
            f"trial {trial.number}: "
            + ", ".join(f"{name} {short(value)}" for name, value in zip(names, trial.values, strict=True))
            + f"<br>{_wrapped(rounded(ARCHITECTURE.get(trial, '')))}"
            for trial in trials
        ],
        "hoverinfo": "text",
    }


def _wrapped(text: str, width: int = 70) -> str:
    from textwrap import wrap

    return "<br>".join(_text(line) for line in wrap(text, width))


def _text(text: str) -> str:
    """Return a text that plotly shows as it is: it takes some tags of HTML for markup."""
    return html.escape(plain(text))


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a web page (``.html``) or as a picture (``.svg``, ``.png``, ``.pdf``).

    Raises:
        UserError: If the suffix is none of these, or the packages for pictures are not installed.
    """
    if path.suffix == ".html":
        figure.write_html(path, include_plotlyjs=True)
        return
    if path.suffix not in (".svg", ".png", ".pdf"):
        raise UserError(f"{path}: a figure is written as .html, .svg, .png or .pdf")
    try:
        figure.write_image(path)
    except (ValueError, RuntimeError, ImportError) as error:
        if importlib.util.find_spec("kaleido") is None:
            raise UserError(f"{path}: pictures need pip install 'optnas[pictures]'; .html does not") from None
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: kaleido draws pictures with Chrome, .html needs none: {reason}") from None
