"""Figures of a study, drawn with plotly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from optnas.errors import UserError
from optnas.pareto.scale import is_wide
from optnas.reports.numbers import short
from optnas.reports.terminal import objective_names
from optnas.trials.progress import front
from optnas.trials.record import ARCHITECTURE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["front_figure", "write_figure"]

_INK, _GREY, _ACCENT = "#1f2933", "#b8c1cc", "#0b6e99"


def front_figure(study: optuna.Study) -> Figure:
    """Draw all complete trials and the Pareto front over the first two objectives.

    The second objective is drawn along x, where costs are usually put, and on a logarithmic axis
    if its values span more than a factor of ten.

    Raises:
        UserError: If the study has fewer than two objectives, or no complete trial.
    """
    import plotly.graph_objects as go

    if len(study.directions) < 2:
        raise UserError(f"study {study.study_name!r} has one objective; a front needs two")
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        raise UserError(f"study {study.study_name!r} has no complete trial yet")
    best = sorted(front(study), key=lambda trial: trial.values[1])
    y_name, x_name = objective_names(study)[:2]
    figure = go.Figure()
    figure.add_scatter(
        **_points(complete), mode="markers", name="all trials", marker={"color": _GREY, "size": 7}
    )
    figure.add_scatter(
        **_points(best),
        mode="lines+markers",
        name="Pareto front",
        marker={"color": _ACCENT, "size": 10},
        line={"color": _ACCENT, "width": 2, "shape": "hv"},
    )
    costs = [trial.values[1] for trial in complete]
    figure.update_layout(
        template="plotly_white",
        font={"color": _INK, "size": 14},
        width=800,
        height=480,
        margin={"l": 70, "r": 30, "t": 50, "b": 60},
        title={"text": f"{study.study_name}: {len(complete)} trained architectures"},
        legend={"x": 0.99, "y": 0.02, "xanchor": "right", "yanchor": "bottom"},
        xaxis={"title": {"text": x_name}, **_axis(costs)},
        yaxis={"title": {"text": y_name}},
    )
    return figure


def _axis(values: list[float]) -> dict[str, Any]:
    wide = is_wide(np.array(values))
    return {"type": "log", "dtick": 1} if wide and min(values) > 0 else {"type": "linear"}


def _points(trials: list[FrozenTrial]) -> dict[str, Any]:
    return {
        "x": [trial.values[1] for trial in trials],
        "y": [trial.values[0] for trial in trials],
        "text": [
            f"trial {trial.number}: {short(trial.values[0])}, {short(trial.values[1])}"
            f"<br>{_wrapped(str(ARCHITECTURE.get(trial, '')))}"
            for trial in trials
        ],
        "hoverinfo": "text",
    }


def _wrapped(text: str, width: int = 70) -> str:
    from html import escape
    from textwrap import wrap

    return "<br>".join(escape(line) for line in wrap(text, width))


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
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"{path}: pictures need kaleido and Chrome (pip install 'optnas[pictures]'),"
            f" .html does not: {reason}"
        ) from None
