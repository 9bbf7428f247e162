"""Plot of an activation and its slope."""

from __future__ import annotations

from optnas.drawing.axes import POINTS, REACH, Axes, shown_range, slope_of
from optnas.drawing.curves import curve_of
from optnas.drawing.drawing import Drawing
from optnas.drawing.fonts import SMALL, width_of
from optnas.drawing.labels import words_of
from optnas.drawing.pieces import line, polyline
from optnas.drawing.svg import Item, Text, to_drawing
from optnas.space import Node, Op, SpaceError, parse

__all__ = ["plot"]

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
    curve = curve_of(node, REACH, POINTS)
    if curve is None:
        raise SpaceError(f"{node} is no activation: give a function of single numbers, such as 'mish'")
    axes = Axes(_LEFT, _TOP, _SIDE, *shown_range([curve]))
    name = " ".join(words_of(node))
    width, height = 300.0, _TOP + _SIDE + _BOTTOM
    items: list[Item] = [Text(width / 2, 19, name, "t-out", width - 20, 12, "middle"), *axes.items]
    for values, style in ((slope_of(curve), "slope"), (curve, "curve")):
        items.append(polyline(axes.points(values), style))
    at = _LEFT
    for label, style in (("value", "curve"), ("slope", "slope")):
        items += [line(at, height - 12, at + 22, height - 12, style)]
        items += [Text(at + 27, height - 8.5, label, "t-out", 60, SMALL)]
        at += 40 + width_of(label, SMALL)
    return to_drawing(items, width, height, f"Plot of the activation {name}")
