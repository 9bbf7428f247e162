"""The box of a layer: its width by its channels, its height by its share of the FLOPs."""

from __future__ import annotations

import math

from optnas.drawing.curves import Curve
from optnas.drawing.fonts import SMALL, TEXT, width_of
from optnas.drawing.icons import icon
from optnas.drawing.labels import compact, shape_text
from optnas.drawing.parts import Layer, Part
from optnas.drawing.pieces import Piece, line, polyline
from optnas.drawing.svg import Box, Item, Text
from optnas.ops.shapes import channel_axis
from optnas.shown import plain

__all__ = ["LEAST", "box_of", "described", "small_curves"]

LEAST = 20.0
"""Height of a box that costs nothing."""
_TALLEST = 110.0
"""Height that is added for a layer with all the FLOPs."""
_NARROWEST = 90.0
_WIDEST = 232.0
_MOST_CHANNELS = 2048
_ICON = 20.0


def box_of(layer: Layer, room: float, whole: int) -> Piece:
    """Return the box of a layer.

    Args:
        layer: The layer.
        room: The width that it must fit in.
        whole: FLOPs of the whole network.
    """
    share = layer.flops / whole if whole else 0.0
    height = LEAST + _TALLEST * share
    badge = f"×{layer.times}" if layer.times > 1 else ""
    beside = width_of(badge, TEXT) + 10 if badge else 0.0
    width = _width(layer, room - 2 * beside)
    x = -width / 2
    style = f"k-{layer.kind}" + (" bad" if layer.error else " dashed" if layer.open else "")
    items: list[Item] = []
    if badge:
        items += [Box(x + shift, shift, width, height, f"k-{layer.kind}") for shift in (5.0, 2.5)]
        items.append(Text(-x + 9, height / 2 + 4, badge, "t-out", beside))
    items.append(Box(x, 0, width, height, style, title=described(layer, share)))
    items += _inside(layer, x, width, height, share)
    return Piece(-x, -x + beside, height + (5 if badge else 0), tuple(items))


def _width(layer: Layer, room: float) -> float:
    room = min(room, _WIDEST)
    least = min(_NARROWEST, room)
    channels = _channels(layer)
    share = 0.35 if channels is None else math.log2(channels) / math.log2(_MOST_CHANNELS)
    wide = least + (room - least) * min(share, 1.0)
    # The name and what matters most are to be read, however few channels there are.
    needed = _ICON + 10 + (14 if layer.curves else 0) + width_of(" ".join(layer.words[:3]))
    return min(max(wide, needed), room)


def _channels(layer: Layer) -> int | None:
    if layer.after:
        return layer.after[channel_axis(layer.after)]
    arguments = dict(layer.node.args) if hasattr(layer.node, "args") else {}
    width = arguments.get("width")
    return width if isinstance(width, int) and width > 0 else None


def _inside(layer: Layer, x: float, width: float, height: float, share: float) -> list[Item]:
    items: list[Item] = []
    two = height >= 36 and layer.cost is not None
    middle = height / 2 - (6 if two else 0)
    if layer.curves:
        items += small_curves(layer.curves, x + 5, middle - 8, 26, 16)
        text_x = x + 36
    else:
        items += icon(layer.kind, x + 11, middle)
        text_x = x + _ICON
    said = f"{share:.0%}" if share >= 0.005 else ""
    end = x + width - 5
    if said and width >= 84:
        items.append(Text(end, middle + 4, said, "t-soft", 34, SMALL, "end"))
        end -= width_of(said, SMALL) + 4
    items.append(Text(text_x, middle + 4, _fitting(layer.words, end - text_x), "", end - text_x))
    if two and layer.cost is not None:
        costs = f"{compact(layer.params)} params, {compact(layer.flops)} FLOPs"
        room = x + width - 5 - text_x
        if width_of(costs, SMALL) > room:
            costs = f"{compact(layer.flops)} FLOPs"
        items.append(Text(text_x, middle + 17, costs, "t-soft", room, SMALL))
    return items


def _fitting(words: tuple[str, ...], room: float) -> str:
    """Return as many of the words as fit; all of the first."""
    text = words[0]
    for index, word in enumerate(words[1:], start=1):
        longer = f"{text} {word}"
        rest = index < len(words) - 1
        if width_of(plain(longer) + ("…" if rest else "")) > room:
            return f"{text}…" if width_of(text + "…") <= room else text
        text = longer
    return text


def described(part: Part, share: float | None = None) -> str:
    """Return what shows where the pointer rests on a part."""
    lines = [str(part.node) + (f"  (×{part.times})" if part.times > 1 else "")]
    if part.before is not None and part.after is not None:
        lines.append(f"{shape_text(part.before)} → {shape_text(part.after)}")
    if part.cost is not None:
        said = f" ({share:.1%})" if share else ""
        lines.append(f"{part.params:,} params, {part.flops:,} FLOPs{said}")
    if isinstance(part, Layer) and part.error:
        lines.append(part.error)
    return "\n".join(line if len(line) <= 400 else line[:399] + "…" for line in lines)


def small_curves(curves: tuple[Curve, ...], x: float, y: float, width: float, height: float) -> list[Item]:
    """Return curves with their axes, in a rectangle."""
    values = [value for curve in curves for value in curve.y if math.isfinite(value)]
    low = max(min([*values, 0.0]), -4.0)
    high = min(max([*values, 0.0]), 4.0)
    if high - low < 1.0:
        low, high = low - (1 - high + low) / 2, high + (1 - high + low) / 2
    reach = curves[0].x[-1]

    def across(value: float) -> float:
        return x + (value + reach) / (2 * reach) * width

    def up(value: float) -> float:
        # What leaves the picture is cut.
        return y + (high - value) / (high - low) * height if low <= value <= high else math.nan

    items: list[Item] = [
        line(x, up(0.0), x + width, up(0.0), "axis"),
        line(across(0.0), y, across(0.0), y + height, "axis"),
    ]
    for curve in curves:
        points = [(across(a), up(b)) for a, b in zip(curve.x, curve.y, strict=True)]
        items.append(polyline(points, "curve"))
    return items
