"""Plot of the activations of a network beside well-known ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from optnas.drawing.axes import POINTS, REACH, Axes, shown_range, slope_of
from optnas.drawing.curves import Curve, curve_of, is_activation
from optnas.drawing.drawing import Drawing
from optnas.drawing.fonts import SMALL, width_of
from optnas.drawing.formula import GATED, formula
from optnas.drawing.labels import words_of
from optnas.drawing.pieces import line, merge_sign, polyline
from optnas.drawing.svg import Group, Item, Text, to_drawing
from optnas.ops.activations import mish, relu, swish
from optnas.space import Node, SpaceError

__all__ = ["activations_of", "compared", "is_searched"]

BESIDE = (relu(), swish(), mish())
"""The activations beside which others are shown."""

_SIDE = 250.0
_LEFT, _BETWEEN, _TOP, _RIGHT = 34.0, 40.0, 30.0, 16.0
_ROW = 17.0
# Of colours that colour-blind readers tell apart; each curve has a number as well.
_MOST = 12  # more could not be told apart
_STYLES = ("i-conv", "i-recurrent", "i-activation", "i-attention", "i-linear", "i-tokens")
_REFERENCES = ("line dotted", "line dashed", "line dashdot")


def activations_of(tree: Node) -> dict[Node, int]:
    """Return the activations of an architecture that can be plotted, and how often each stands in it."""
    return dict(Counter(_within(tree)))


def _within(value: Any) -> Iterator[Node]:
    if not isinstance(value, Node):
        return
    if is_activation(value):
        if not value.open and curve_of(value, REACH, POINTS) is not None:
            yield value
        return
    for part in (*(each for _, each in value.args), *value.children):
        yield from _within(part)


def is_searched(activation: Node) -> bool:
    """Return whether an activation is an expression, or has constants that are learned."""
    return activation.op.name in ("act", "prelu") or bool(activation.arguments.get("learnable"))


def compared(activations: Sequence[Node] | dict[Node, int]) -> Drawing:
    """Return the plot of activations and of their slopes from -5 to 5, beside relu, swish and mish.

    Args:
        activations: The activations, perhaps with how often each stands in a network. Of more than twelve
            the most frequent are shown.

    Raises:
        SpaceError: If there is none, or one has open choices or is no activation.

    >>> from optnas import ops
    >>> compared([ops.tanh(), ops.swish(beta=0.5)]).width
    590
    """
    times = dict.fromkeys(activations, 1) | (activations if isinstance(activations, dict) else {})
    if not times:
        raise SpaceError("there is no activation to show")
    left_out = len(times) - _MOST
    frequent = sorted(times, key=lambda node: -times[node])[:_MOST]
    times = {node: count for node, count in times.items() if node in frequent}
    found = [(node, _curve(node)) for node in times]
    beside = [(node, _curve(node)) for node in BESIDE if node not in times]
    items: list[Item] = []
    kinds: tuple[tuple[str, float, Callable[[Curve], Curve]], ...] = (
        ("value", -1.0, lambda curve: curve),
        ("slope", 0.0, slope_of),
    )
    for place, (title, least, of) in enumerate(kinds):
        left = _LEFT + place * (_SIDE + _BETWEEN)
        curves = [of(curve) for _, curve in found]
        seen = [*curves, *(of(curve) for _, curve in beside)]
        axes = Axes(left, _TOP, _SIDE, *shown_range(seen, least))
        items += [Text(left + _SIDE / 2, 19, title, "t-out", _SIDE, 12, "middle"), *axes.items]
        for (_, curve), style in zip(beside, _REFERENCES, strict=False):
            items.append(polyline(axes.points(of(curve)), style))
        for index, curve in reversed(list(enumerate(curves))):
            items.append(polyline(axes.points(curve), _style(index)))
        for index, curve in enumerate(curves):
            items += _number(index, len(curves), axes, curve)
    width = _LEFT + 2 * _SIDE + _BETWEEN + _RIGHT
    known = [node for node, _ in beside]
    legend, height = _legend(times, known, left_out, _TOP + _SIDE + 36, width)
    names = ", ".join(map(_name, times))
    return to_drawing([*items, *legend], width, height, f"Plot of the activations {names}")


def _curve(node: Node) -> Curve:
    curve = None if node.open else curve_of(node, REACH, POINTS)
    if curve is None:
        raise SpaceError(f"{node} is no activation without open choices, which alone can be plotted")
    return curve


def _style(index: int) -> str:
    return f"{_STYLES[index % len(_STYLES)]} bold"


def _number(index: int, count: int, axes: Axes, curve: Curve) -> list[Item]:
    """Return the number of a curve on it, each of several at another place along them."""
    wanted = -0.8 * REACH + 1.6 * REACH * (index + 0.5) / count
    seen = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if axes.low <= y <= axes.high]
    if not seen:
        return []
    x, y = min(seen, key=lambda point: abs(point[0] - wanted))
    return [Group(axes.across(x), axes.up(y), merge_sign(f"{index + 1}", 0)[1])]


def _legend(
    times: dict[Node, int], beside: list[Node], left_out: int, y: float, width: float
) -> tuple[list[Item], float]:
    """Return what the curves are, a line for each that was found, and where it ends."""
    items: list[Item] = []
    for index, (node, count) in enumerate(times.items()):
        items.append(line(_LEFT, y, _LEFT + 26, y, _style(index)))
        items.append(Group(_LEFT + 13, y, merge_sign(f"{index + 1}", 0)[1]))
        room = width - _LEFT - 36 - _RIGHT - 60
        text = _name(node)
        items.append(Text(_LEFT + 36, y + 4, text, "t-out", room))
        if count > 1:
            at = _LEFT + 36 + min(width_of(text), room) + 12
            items.append(Text(at, y + 4, f"×{count}", "t-out", 48))
        y += _ROW
    if left_out > 0:
        items.append(Text(_LEFT + 36, y + 4, f"and {left_out} more", "t-out", 200))
        y += _ROW
    at = _LEFT
    for node, style in zip(beside, _REFERENCES, strict=False):
        items.append(line(at, y, at + 26, y, style))
        items.append(Text(at + 36, y + 3.5, node.op.name, "t-out", 60, SMALL))
        at += 56 + width_of(node.op.name, SMALL)
    return items, y + (14 if beside else 0)


def _name(node: Node) -> str:
    return formula(node) if node.op.name in GATED else " ".join(words_of(node))
