"""Charts of a study's trials as SVG, for notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from optnas.reports.chart import Axis, Chart

__all__ = ["chart_svg"]

_WIDTH, _HEIGHT = 460, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 26, 40
_MOST_TICKS = 6
_ACCENT, _SOFT = "#0b83b5", 'opacity=".75"'
# Dots that lie on one of these places are one, so that ten thousand are drawn as fast as a thousand.
_GRID = 200


def chart_svg(chart: Chart) -> str:
    """Return a chart as one SVG without identifiers, in the colour of the text around it."""
    body = "".join([*_axis_x(chart.x), *_axis_y(chart.y), *_content(chart)])
    label = escape(f"Trials: {chart.y.name} against {chart.x.name}", quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}"'
        f' viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}" style="max-width:100%"'
        f' fill="currentColor" font-family="sans-serif" font-size="12">{body}</svg>'
    )


def _x(place: float) -> float:
    return round(_LEFT + place * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(place: float) -> float:
    return round(_HEIGHT - _BOTTOM - place * (_HEIGHT - _TOP - _BOTTOM), 1)


def _axis_x(axis: Axis) -> Iterator[str]:
    for place, label in axis.ticks(_MOST_TICKS):
        yield _line(_x(place), _y(0), _x(place), _y(1))
        yield f'<text x="{_x(place)}" y="{_y(0) + 15}" text-anchor="middle" {_SOFT}>{escape(label)}</text>'
    yield f'<text x="{_x(1)}" y="{_HEIGHT - 6}" text-anchor="end">{escape(axis.name)}</text>'


def _axis_y(axis: Axis) -> Iterator[str]:
    for place, label in axis.ticks(_MOST_TICKS):
        yield _line(_x(0), _y(place), _x(1), _y(place))
        yield f'<text x="{_LEFT - 6}" y="{_y(place) + 4}" text-anchor="end" {_SOFT}>{escape(label)}</text>'
    yield f'<text x="4" y="14">{escape(axis.name)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1} {y1}L{x2} {y2}" stroke="currentColor" stroke-opacity=".15"/>'


def _content(chart: Chart) -> Iterator[str]:
    for x, y in dict.fromkeys(map(tuple, (chart.points * _GRID).round().astype(int).tolist())):
        yield f'<circle cx="{_x(x / _GRID)}" cy="{_y(y / _GRID)}" r="2.5" opacity=".35"/>'
    corners, before = [], None
    for x, y in chart.steps.tolist():
        corners.append(f"M{_x(x)} {_y(y)}" if before is None else f"H{_x(x)}V{_y(y)}")
        before = x
    yield f'<path d="{"".join(corners)}" fill="none" stroke="{_ACCENT}" stroke-width="1.5"/>'
    for (x, y), number in zip(chart.best.tolist(), chart.numbers, strict=True):
        title = f"<title>trial {number}</title>"
        yield f'<circle cx="{_x(x)}" cy="{_y(y)}" r="4.5" fill="{_ACCENT}">{title}</circle>'
