"""Helpers of the plotly figures: colours, axes, panels, hover texts."""

from __future__ import annotations

import html
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from optnas.pareto.scale import is_wide
from optnas.reports.front_table import architecture_of, objective_names
from optnas.reports.numbers import short
from optnas.shown import plain

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = [
    "ACCENT",
    "DARK",
    "GREY",
    "INK",
    "ORANGE",
    "Drawn",
    "as_figure",
    "axis",
    "hover",
    "label",
    "layout",
    "log_ticks",
    "names_of",
    "panels",
    "scale_of",
    "shown",
]

Drawn = dict[str, Any]
"""A figure as plotly's JSON: its traces as ``data``, and its ``layout``."""

# Told apart by colour-blind eyes, on white and on black (Okabe & Ito 2008; the blue is darker).
INK, GREY, ACCENT, ORANGE = "#1f2933", "#aab4c0", "#0b6e99", "#d55e00"
DARK = {
    INK: "#e6ebf0",
    GREY: "#5d6b7a",
    ACCENT: "#5bb8df",
    ORANGE: "#f0853c",
    "white": "#14191f",
}
"""The colours of a figure on a dark page, by those on a white one."""
# Of any background.
_GRID = "rgba(130,145,165,0.25)"

_WIDEST_LINE = 64
# What fits beside a plot on a telephone, and above it.
_WIDEST_LABEL, _WIDEST_TITLE = 30, 40


def as_figure(drawn: Drawn, name: str) -> Figure:
    """Return a figure of plotly's, which stands alone: the study's name is added to its title."""
    from plotly.graph_objects import Figure

    what = drawn["layout"]["title"]["text"]
    lines = wrap(f"{plain(name)}:", _WIDEST_TITLE, max_lines=2, placeholder=" …", break_on_hyphens=False)
    between = " " if sum(map(len, [*lines, what])) < _WIDEST_TITLE else "<br>"
    title = {**drawn["layout"]["title"], "text": between.join([*map(shown, lines), what])}
    # Or plotly would add the colours of its default template.
    return Figure(drawn["data"], {"template": {"layout": {}}, **drawn["layout"], "title": title})


def layout(title: str, **more: Any) -> dict[str, Any]:
    """Return the layout of a figure that fills a place 360 pixels wide or more, with its legend below.

    Margins grow with what stands in them, which neither overlaps nor is cut off.
    """
    return {
        "font": {"color": INK, "size": 13},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "margin": {"l": 12, "r": 16, "t": 20, "b": 12},
        "title": {
            "text": title,
            "font": {"size": 15},
            "x": 0,
            "xref": "container",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 12, "t": 12, "b": 12},
            "automargin": True,
        },
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 0,
            "yref": "container",
            "xanchor": "left",
            "yanchor": "bottom",
        },
        "hoverlabel": {"align": "left", "bgcolor": "white", "bordercolor": GREY, "font": {"color": INK}},
        "hovermode": "closest",
        # Beside the title there is room for few; "Share chart..." would upload a study to Plotly's servers.
        "modebar": {
            "remove": ["sendChartToCloud", "select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d"]
        },
        **more,
    }


def axis(title: str | None, **more: Any) -> dict[str, Any]:
    """Return a plotly axis in the style of all figures."""
    known = {} if title is None else {"title": {"text": title, "standoff": 8, "font": {"size": 13}}}
    return {**known, "gridcolor": _GRID, "linecolor": GREY, "zeroline": False, "automargin": True, **more}


def scale_of(study: optuna.Study, values: Sequence[float], index: int) -> dict[str, Any]:
    """Return the scale of an objective's axis: logarithmic if smaller is better and the values are wide."""
    found = np.array(values, dtype=float)
    found = found[np.isfinite(found)]
    if not len(found):
        return {}
    low, high = float(found.min()), float(found.max())
    if low == high:
        around = abs(low) / 2 or 0.5
        return {"range": [low - around, low + around], "nticks": 4}
    if study.directions[index] == StudyDirection.MINIMIZE and low > 0 and is_wide(found):
        return {"type": "log", **log_ticks(low, high)}
    return {}


def log_ticks(low: float, high: float) -> dict[str, Any]:
    """Return the ticks of a logarithmic axis from ``low`` to ``high``, each with its whole number.

    Without a format plotly writes 2 and 5 in place of 2,000 and 5,000. SI prefixes are for large numbers
    alone: "m" would be taken for million.
    """
    return {"dtick": 1 if high > 100 * low else "D2", "tickformat": "~s" if low >= 1 else "~g"}


def panels(count: int, columns: int, *, between: tuple[float, float] = (0.06, 0.2)) -> list[Any]:
    """Return the place of each panel of a grid, row by row, as its domains along x and y."""
    columns = min(columns, count)
    rows = -(-count // columns)
    wide = (1 - between[0] * (columns - 1)) / columns
    high = (1 - between[1] * (rows - 1)) / rows
    found = []
    for panel in range(count):
        row, column = divmod(panel, columns)
        left, top = column * (wide + between[0]), 1 - row * (high + between[1])
        found.append(([left, min(1.0, left + wide)], [max(0.0, top - high), top]))
    return found


def names_of(study: optuna.Study) -> list[str]:
    """Return the names of the objectives, as plotly shows them."""
    return [shown(name) for name in objective_names(study)]


def shown(text: str) -> str:
    """Return a text that plotly shows as it is: it takes some tags of HTML for markup."""
    return html.escape(plain(text))


def label(text: str) -> str:
    """Return a text short enough to stand beside a bar; what is left out is its middle."""
    half = _WIDEST_LABEL // 2
    return shown(text if len(text) <= _WIDEST_LABEL else f"{text[:half]}…{text[1 - half :]}")


def hover(names: Sequence[str], trial: FrozenTrial, lines: int) -> str:
    """Return the hover text of a trial: its values, and the architecture in few lines."""
    values = ", ".join(
        f"{name} {short(value)}" for name, value in zip(names, trial.values or (), strict=False)
    )
    return "<br>".join([f"trial {trial.number}: {values}", *_wrapped(architecture_of(trial), lines)])


def _wrapped(text: str, lines: int) -> list[str]:
    # No more is wrapped than is shown: a line of its text may be cut within a word.
    found = wrap(text[: (lines + 1) * _WIDEST_LINE], _WIDEST_LINE)
    if len(found) > lines:
        found = [*found[: lines - 1], f"{found[lines - 1][: _WIDEST_LINE - 2]} …"] if lines else []
    return [shown(line) for line in found]
