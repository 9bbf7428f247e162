"""Learning curves of a training with one seed or several, as SVG."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby

import numpy as np
from optuna.study import StudyDirection

from optnas.objectives import Objective
from optnas.reports.chart import Axis
from optnas.shown import plain
from optnas.winner.full_training import TrainingHistory

__all__ = ["curves_svg"]

_WIDTH, _HEIGHT, _GAP = 380, 250, 20
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 14, 30, 40
_MOST_TICKS = 6
_VALIDATION, _TRAINING = "#0072b2", "#b97f00"


@dataclasses.dataclass(frozen=True)
class _Line:
    """Values after each epoch, and the epoch that was chosen; NaN where there is no value."""

    values: Sequence[float]
    color: str
    best: int = 0
    dashed: bool = False


@dataclasses.dataclass(frozen=True)
class _Panel:
    name: str
    direction: StudyDirection
    lines: Sequence[_Line]


def curves_svg(
    histories: Sequence[TrainingHistory], score: Objective, costs: Mapping[str, float], chosen: int
) -> str:
    """Return the learning curves: the score on validation, and the losses on validation and training part.

    A thin line for each seed, a dot at its best epoch; the line of the ``chosen`` seed is thicker. What is
    infinite is left out. The loss on the training part is the mean over an epoch's batches as they were
    trained on (augmented, with dropout), so that it may be above the one on validation.

    Args:
        histories: The history of each seed.
        score: The objective that the best epoch is chosen by.
        costs: The architecture's costs, which the score may be of.
        chosen: The seed whose weights are kept.
    """
    panels = list(_panels(histories, score, costs))
    width = len(panels) * (_WIDTH + _GAP) - _GAP
    body = "".join(
        f'<g transform="translate({place * (_WIDTH + _GAP)} 0)">'
        + "".join(_drawn(panel, [history.seed == chosen for history in histories]))
        + "</g>"
        for place, panel in enumerate(panels)
    )
    label = escape(f"Learning curves: {', '.join(panel.name for panel in panels)} by epoch", quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}"'
        f' viewBox="0 0 {width} {_HEIGHT}" role="img" aria-label="{label}" font-family="sans-serif"'
        f' font-size="12" fill="#333"><rect width="{width}" height="{_HEIGHT}" fill="#fff"/>{body}</svg>'
    )


def _panels(
    histories: Sequence[TrainingHistory], score: Objective, costs: Mapping[str, float]
) -> Iterator[_Panel]:
    def value(metrics: Mapping[str, float]) -> float:
        try:
            return score.metric({**costs, **metrics})
        except ArithmeticError:
            return math.nan

    names = score.metric.names
    if names != {"loss"}:
        lines = [_Line([value(m) for m in each.curve], _VALIDATION, each.best) for each in histories]
        direction = StudyDirection.MINIMIZE if score.sign > 0 else StudyDirection.MAXIMIZE
        yield _Panel(plain(score.name), direction, lines)
    losses = [each for each in histories if each.curve and all("loss" in metrics for metrics in each.curve)]
    lines = [_Line([m["loss"] for m in each.curve], _VALIDATION, each.best) for each in losses]
    trained = [_Line(each.losses, _TRAINING, dashed=True) for each in histories if each.losses]
    if lines or trained:
        yield _Panel("loss", StudyDirection.MINIMIZE, [*trained, *lines])


def _drawn(panel: _Panel, chosen: Sequence[bool]) -> Iterator[str]:
    values = np.array([value for line in panel.lines for value in line.values], dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        values = np.zeros(1)
    epochs = max([2, *(len(line.values) for line in panel.lines)])
    x, y = Axis("epoch", 1, epochs), Axis.of(panel.name, values, panel.direction)
    yield from _axes(x, y)
    for place, line in enumerate(panel.lines):
        yield from _curve(line, x, y, thick=len(chosen) > 1 and chosen[place % len(chosen)])
    legend = _WIDTH - _RIGHT
    if any(line.dashed for line in panel.lines):
        yield f'<text x="{legend}" y="16" text-anchor="end" fill="{_TRAINING}">training (dashed)</text>'
        legend -= 112
    if any(not line.dashed for line in panel.lines):
        yield f'<text x="{legend}" y="16" text-anchor="end" fill="{_VALIDATION}">validation</text>'


def _axes(x: Axis, y: Axis) -> Iterator[str]:
    grid = 'stroke="#000" stroke-opacity=".12"'
    whole = dict.fromkeys(round(x.low + place * (x.high - x.low)) for place, _ in x.ticks(_MOST_TICKS))
    for place, label in zip(x.places(np.array(list(whole), dtype=float)).tolist(), whole, strict=True):
        yield f'<path d="M{_x(place)} {_y(0)}V{_y(1)}" {grid}/>'
        yield f'<text x="{_x(place)}" y="{_y(0) + 16}" text-anchor="middle">{label}</text>'
    for place, text in y.ticks(_MOST_TICKS):
        yield f'<path d="M{_x(0)} {_y(place)}H{_x(1)}" {grid}/>'
        yield f'<text x="{_LEFT - 6}" y="{_y(place) + 4}" text-anchor="end">{escape(text)}</text>'
    yield f'<text x="{_x(1)}" y="{_HEIGHT - 8}" text-anchor="end">{x.name}</text>'
    yield f'<text x="4" y="16" font-weight="bold">{escape(_short(y.name))}</text>'


def _curve(line: _Line, x: Axis, y: Axis, *, thick: bool) -> Iterator[str]:
    values = np.array(line.values, dtype=float)
    known = np.isfinite(values)
    across = x.places(np.arange(1, len(values) + 1, dtype=float))
    up = y.places(np.where(known, values, y.high))
    width = 2 if thick else 1
    style = f'fill="none" stroke="{line.color}" stroke-width="{width}"' + (
        ' stroke-dasharray="4 3"' if line.dashed else ""
    )
    for is_known, places in groupby(range(len(values)), lambda place: bool(known[place])):
        if is_known:
            points = " ".join(f"{_x(across[place])},{_y(up[place])}" for place in places)
            yield f'<polyline points="{points}" {style}/>'
    if line.best and known[line.best - 1]:
        at, title = line.best - 1, f"epoch {line.best}: {values[line.best - 1]:.4g}"
        yield (
            f'<circle cx="{_x(across[at])}" cy="{_y(up[at])}" r="{width + 2}" fill="{line.color}">'
            f"<title>{title}</title></circle>"
        )


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _x(place: float) -> float:
    return round(_LEFT + float(place) * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(place: float) -> float:
    return round(_HEIGHT - _BOTTOM - float(place) * (_HEIGHT - _TOP - _BOTTOM), 1)
