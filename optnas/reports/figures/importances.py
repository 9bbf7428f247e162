"""The figure of importances: which parameters each objective depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial

from optnas.errors import UserError
from optnas.reports.figures.parts import ACCENT, ORANGE, Drawn, as_figure, axis, label, layout, shown
from optnas.reports.front_table import objective_names
from optnas.reports.importance import importances

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["draw_importances", "importances_figure"]

_MOST_ROWS = 12
_COLOURS = (ACCENT, ORANGE, "#009e73", "#cc79a7", "#56b4e9")


def importances_figure(study: optuna.Study) -> Figure:
    """Draw how much each objective depends on each parameter, with standard deviations.

    Raises:
        UserError: If there are too few trials to tell.
    """
    return as_figure(draw_importances(study, study.get_trials(deepcopy=False)), study.study_name)


def draw_importances(study: optuna.Study, trials: Sequence[FrozenTrial]) -> Drawn:
    """See :func:`importances_figure`; the trials are read anew."""
    names = objective_names(study)
    found = {name: {each.name: each for each in importances(study, name)} for name in names}
    most: dict[str, float] = {}
    for each in (each for of_one in found.values() for each in of_one.values()):
        most[each.name] = max(most.get(each.name, 0.0), each.mean)
    rows = sorted(most, key=lambda name: most[name])[-_MOST_ROWS:]
    if not rows:
        raise UserError(f"study {study.study_name!r} has too few trials to tell what matters")
    data: list[dict[str, Any]] = []
    for i, (name, of_one) in enumerate(found.items()):
        there = [row for row in rows if row in of_one]
        spread = {"type": "data", "array": [round(of_one[row].deviation, 4) for row in there], "thickness": 1}
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": shown(name),
                "x": [round(of_one[row].mean, 4) for row in there],
                "y": [shown(row) for row in there],
                "marker": {"color": _COLOURS[i % len(_COLOURS)]},
                "error_x": spread,
                "hovertemplate": "%{y}: %{x:.2f}<extra>" + shown(name) + "</extra>",
            }
        )
    axes = {
        "xaxis": axis("importance", rangemode="tozero"),
        "yaxis": axis(
            None,
            type="category",
            categoryarray=[shown(row) for row in rows],
            tickvals=[shown(row) for row in rows],
            ticktext=[f"{label(row)} " for row in rows],
            tickfont={"size": 11},
        ),
    }
    return {"data": data, "layout": layout("what matters", **axes)}
