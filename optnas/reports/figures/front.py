"""The figure of the front: the first objective against each other one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optnas.errors import UserError
from optnas.reports.figures.parts import (
    ACCENT,
    GREY,
    Drawn,
    as_figure,
    axis,
    hover,
    layout,
    names_of,
    panels,
    scale_of,
)
from optnas.trials.progress import front, front_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["draw_front", "front_figure"]

_COLUMNS = 2
# Of more dominated trials these are drawn, spread over the study: a browser gets all of it at every refresh.
_MOST_DOMINATED = 1000
# Lines of the architecture on the hover of a trial: of the front, and of others where these are few or many.
_LINES, _FEW, _FEW_LINES = 6, 200, 2


def front_figure(study: optuna.Study) -> Figure:
    """Draw the complete trials and the Pareto front: the first objective against each other one.

    With more than two objectives every pair has a panel. The front's trials are then markers, as in a panel
    others may be better in both of its objectives; the line is the front of these two alone. An axis is
    logarithmic if the values span more than a factor of ten and smaller ones are better, as of costs.

    Raises:
        UserError: If the study has fewer than two objectives, or no complete trial.
    """
    return as_figure(draw_front(study, study.get_trials(deepcopy=False)), study.study_name)


def draw_front(study: optuna.Study, trials: Sequence[FrozenTrial]) -> Drawn:
    """See :func:`front_figure`."""
    others = len(study.directions) - 1
    if others < 1:
        raise UserError(f"study {study.study_name!r} has one objective; a front needs two")
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        raise UserError(f"study {study.study_name!r} has no complete trial yet")
    many = "s" if len(complete) > 1 else ""
    title = f"{len(complete):,} trained architecture{many}"
    data: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    best = front(study, complete)
    dominated = _spread(complete)
    for x, place in enumerate(panels(others, _COLUMNS), 1):
        data += _pair(study, complete, dominated, best, x)
        axes |= _axes(study, complete, x, place)
    return {"data": data, "layout": layout(title, **axes)}


def _spread(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return trials[:: len(trials) // _MOST_DOMINATED + 1]


def _pair(
    study: optuna.Study,
    complete: list[FrozenTrial],
    dominated: list[FrozenTrial],
    best: list[FrozenTrial],
    x: int,
) -> list[dict[str, Any]]:
    """Return the traces of the first objective against the one of index ``x``."""
    pair, alone = len(study.directions) == 2, front_of(study, complete, (0, x))
    alone.sort(key=lambda trial: trial.values[x], reverse=study.directions[x] == StudyDirection.MAXIMIZE)
    names, number = names_of(study), "" if x == 1 else str(x)

    def points(trials: list[FrozenTrial], lines: int, **look: Any) -> dict[str, Any]:
        return {
            "type": "scatter",
            "x": [trial.values[x] for trial in trials],
            "y": [trial.values[0] for trial in trials],
            "text": [hover(names, trial, lines) for trial in trials],
            "hoverinfo": "text",
            "showlegend": x == 1,
            "xaxis": f"x{number}",
            "yaxis": f"y{number}",
            **look,
        }

    grey, accent = {"color": GREY, "size": 7}, {"color": ACCENT, "size": 10}
    # From the best along x on, the best so far stays until the next trial is better.
    steps: dict[str, Any] = {"mode": "lines", "line": {"color": ACCENT, "width": 2, "shape": "hv"}}
    lines = _LINES if len(dominated) <= _FEW else _FEW_LINES
    what = "all trials" if len(dominated) == len(complete) else f"{len(dominated):,} of all trials"
    drawn = [points(dominated, lines, mode="markers", marker=grey, name=what)]
    if pair:
        steps |= {"mode": "lines+markers", "marker": accent}
    else:
        name = f"Pareto front of all {len(study.directions)} objectives"
        drawn.append(points(best, _LINES, mode="markers", marker=accent, name=name))
    name = "Pareto front" if pair else "front of the two alone"
    return [*drawn, points(alone, _LINES, name=name, **steps)]


def _axes(study: optuna.Study, complete: list[FrozenTrial], x: int, place: Any) -> dict[str, Any]:
    names, number = names_of(study), "" if x == 1 else str(x)
    along, up = place
    left = along[0] == 0
    scales = [scale_of(study, [trial.values[i] for trial in complete], i) for i in (0, x)]
    # All panels have the first objective upwards; the others take its labels from the left.
    same = {} if x == 1 else {"matches": "y", "showticklabels": left}
    y = axis(names[0] if left else None, domain=up, anchor=f"x{number}", **scales[0], **same)
    return {
        f"xaxis{number}": axis(names[x], domain=along, anchor=f"y{number}", **scales[1]),
        f"yaxis{number}": y,
    }
