"""The figure of what the front prefers, against all trials and against chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial

from optnas.errors import UserError
from optnas.reports.figures.parts import ACCENT, GREY, ORANGE, Drawn, as_figure, axis, label, layout
from optnas.reports.numbers import choice_text
from optnas.reports.preferences import preferences

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["draw_preferences", "preferences_figure"]

_MOST_ROWS = 12


def preferences_figure(study: optuna.Study) -> Figure:
    """Draw the choices whose share on the front is most unlike chance, beside that in all trials.

    The bars are 95 % intervals. Parameters of many values, such as learning rates, are left out.

    Raises:
        UserError: If the study has no front, or no choices of few values.
    """
    return as_figure(draw_preferences(study, study.get_trials(deepcopy=False)), study.study_name)


def draw_preferences(study: optuna.Study, trials: Sequence[FrozenTrial]) -> Drawn:
    """See :func:`preferences_figure`."""
    found = preferences(study, trials)[:_MOST_ROWS]
    if not found:
        raise UserError(f"study {study.study_name!r} has no front with choices to count")
    found.reverse()  # plotly's rows go upwards
    rows = [label(f"{each.name} = {choice_text(each.name, each.value)}") for each in found]
    rows = [row if rows.count(row) == 1 else f"{row}{' ' * i}" for i, row in enumerate(rows)]

    def marks(name: str, x: list[float], **look: Any) -> dict[str, Any]:
        known = {"type": "scatter", "mode": "markers", "name": name, "x": x, "y": rows}
        return {**known, "hovertemplate": f"%{{y}}: %{{x:.0%}}, {name}<extra></extra>", **look}

    tick = {"symbol": "line-ns-open", "size": 15, "color": ORANGE, "line": {"width": 2}}
    spread = {
        "type": "data",
        "array": [each.high - each.on_front for each in found],
        "arrayminus": [each.on_front - each.low for each in found],
        "color": ACCENT,
        "thickness": 2,
    }
    data = [
        marks("by chance", [each.chance for each in found], marker=tick),
        marks("all trials", [each.in_all for each in found], marker={"color": GREY, "size": 11}),
        marks(
            "front, 95 % interval",
            [each.on_front for each in found],
            marker={"color": ACCENT, "size": 11},
            error_x=spread,
        ),
    ]
    axes = {
        "xaxis": axis("share of the decisions", tickformat=".0%", range=[-0.02, 1.02]),
        "yaxis": axis(None, type="category", ticks="", ticksuffix=" ", tickfont={"size": 11}),
    }
    return {"data": data, "layout": layout("what the front prefers", **axes)}
