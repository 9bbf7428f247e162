"""Plot of an activation and its slope."""

from __future__ import annotations

import math

from optnas.drawing.curves import Curve, curve_of
from optnas.drawing.drawing import Drawing
from optnas.drawing.fonts import SMALL, width_of
from optnas.drawing.labels import words_of
from optnas.drawing.pieces import line, polyline
from optnas.drawing.svg import Item, Text, to_drawing
from optnas.space import Node, Op, SpaceError, parse

__all__ = ["plot"]

_REACH = 5.0
_POINTS = 401
_SIDE = 240.0
_LEFT, _TOP, _BOTTOM = 34.0, 30.0, 50.0


def plot(activation: Node | Op | str) -> Drawing:
    """Return the plot of an activation from -5 to 5, with its slope.

    Args:
        activation: An activation, or its text: a name (``"mish"``), one with arguments
            (``"swish(beta=1.5)"``), or an expression (``"mul(x, sigmoid(x))"``).

    Raises:
        SpaceError: If it is no activation, has open choices, or cannot be read.

    >>> plot("mul(x, sigmoid(scale(x, 1.2)))").width
    300
    """
    node = parse(activation) if isinstance(activation, str) else activation
    node = node() if isinstance(node, Op) else node
    if node.open:
        raise SpaceError(f"{node} still has holes: close them with sample or close before plotting it")
    curve = curve_of(node, _REACH, _POINTS)
    if curve is None:
        raise SpaceError(f"{node} is no activation: give a function of single numbers, such as 'mish'")
    slope = _slope(curve)
    low, high = _range(curve)
    name = " ".join(words_of(node))
    width, height = 300.0, _TOP + _SIDE + _BOTTOM
    items: list[Item] = [Text(width / 2, 19, name, "t-out", width - 20, 12, "middle")]
    items += _axes(low, high)
    for values, style in ((slope, "slope"), (curve, "curve")):
        points = [
            (_across(x), _up(y, low, high) if low <= y <= high else math.nan)
            for x, y in zip(values.x, values.y, strict=True)
        ]
        items.append(polyline(points, style))
    at = _LEFT
    for label, style in (("value", "curve"), ("slope", "slope")):
        items += [line(at, height - 12, at + 22, height - 12, style)]
        items += [Text(at + 27, height - 8.5, label, "t-out", 60, SMALL)]
        at += 40 + width_of(label, SMALL)
    return to_drawing(items, width, height, f"Plot of the activation {name}")


def _slope(curve: Curve) -> Curve:
    x, y = curve
    slopes = [(y[i + 1] - y[i]) / (x[i + 1] - x[i]) for i in range(len(x) - 1)]
    return Curve(tuple((x[i] + x[i + 1]) / 2 for i in range(len(x) - 1)), tuple(slopes))


def _range(curve: Curve) -> tuple[float, float]:
    """Return the values between which the plot shows: all within ±5, and at least from -1 to 1."""
    finite = [y for y in curve.y if math.isfinite(y)] or [0.0]
    low, high = max(min(*finite, -1.0), -_REACH), min(max(*finite, 1.0), _REACH)
    return low - 0.2, high + 0.2


def _across(x: float) -> float:
    return _LEFT + (x + _REACH) / (2 * _REACH) * _SIDE


def _up(y: float, low: float, high: float) -> float:
    return _TOP + (high - y) / (high - low) * _SIDE


def _axes(low: float, high: float) -> list[Item]:
    items: list[Item] = []
    for x in (-4, -2, 0, 2, 4):
        style = "axis" if x else "line"
        items.append(line(_across(x), _TOP, _across(x), _TOP + _SIDE, style))
        items.append(
            Text(_across(x), _TOP + _SIDE + 14, f"{x}".replace("-", "−"), "t-out", 30, SMALL, "middle")
        )
    step = 1 if high - low < 5 else 2
    for y in range(-4, 6):
        if low <= y <= high and y % step == 0:
            items.append(
                line(_LEFT, _up(y, low, high), _LEFT + _SIDE, _up(y, low, high), "axis" if y else "line")
            )
            label = f"{y}".replace("-", "−")
            items.append(Text(_LEFT - 6, _up(y, low, high) + 3.5, label, "t-out", 24, SMALL, "end"))
    return items
