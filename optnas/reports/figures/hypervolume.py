"""The figure of the hypervolume: how far the front has come, over trials and over time."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial

from optnas.errors import UserError
from optnas.reports.figures.parts import ACCENT, Drawn, as_figure, axis, layout, panels
from optnas.trials.volume import hypervolume_course

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["draw_hypervolume", "hypervolume_figure"]

_MOST_STEPS = 100
_UNITS = ((172_800, 86_400, "days"), (7_200, 3_600, "hours"), (120, 60, "minutes"), (0, 1, "seconds"))


def hypervolume_figure(study: optuna.Study) -> Figure:
    """Draw the hypervolume of the front over the finished trials, and over the time since the first began.

    It is a share of what an ideal trial has (:func:`optnas.trials.volume.hypervolume`).

    Raises:
        UserError: If there is none yet.
    """
    return as_figure(draw_hypervolume(study, study.get_trials(deepcopy=False)), study.study_name)


def draw_hypervolume(study: optuna.Study, trials: Sequence[FrozenTrial]) -> Drawn:
    """See :func:`hypervolume_figure`."""
    ended = sorted(
        trial.datetime_complete for trial in trials if trial.state.is_finished() and trial.datetime_complete
    )
    course = hypervolume_course(study, trials, _MOST_STEPS)
    begun = min((trial.datetime_start for trial in trials if trial.datetime_start), default=None)
    if not course or not ended or begun is None:
        raise UserError(f"study {study.study_name!r} has no hypervolume yet")
    after = {at: number for number, at in enumerate(ended, 1)}
    times = [trial.datetime_complete or begun for trial, _ in course]
    volumes = [0.0, *(round(volume, 4) for _, volume in course), round(course[-1][1], 4)]
    counts = [0, *(after[at] for at in times), len(ended)]
    seconds = [0.0, *(_seconds(at, begun) for at in times), _seconds(ended[-1], begun)]
    size, unit = next((size, unit) for least, size, unit in _UNITS if seconds[-1] >= least)
    told = ["", *(f"trial {trial.number}: " for trial, _ in course), ""]
    data: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    along: dict[str, Sequence[float]] = {
        "finished trials": counts,
        f"{unit} of search": [each / size for each in seconds],
    }
    for i, ((title, x), (width, height)) in enumerate(zip(along.items(), panels(2, 2), strict=True)):
        number = "" if i == 0 else "2"
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [round(each, 4) for each in x],
                "y": volumes,
                "text": told,
                "hovertemplate": "%{text}%{y:.3f}<extra></extra>",
                "line": {"color": ACCENT, "width": 2, "shape": "hv"},
                "showlegend": False,
                "xaxis": f"x{number}",
                "yaxis": f"y{number}",
            }
        )
        axes[f"xaxis{number}"] = axis(title, domain=width, anchor=f"y{number}", rangemode="tozero")
        same = {"matches": "y", "showticklabels": False} if i else {}
        y = axis(None if i else "hypervolume (1: an ideal trial)", domain=height, anchor=f"x{number}", **same)
        axes[f"yaxis{number}"] = {**y, "rangemode": "tozero"}
    return {"data": data, "layout": layout("how far the front has come", **axes)}


def _seconds(at: datetime.datetime, begun: datetime.datetime) -> float:
    return max(0.0, (at - begun).total_seconds())
