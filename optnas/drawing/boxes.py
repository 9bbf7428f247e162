"""The box of a layer: its width by its channels, its height by its share of the FLOPs."""

from __future__ import annotations

import math

from optnas.drawing.curves import Curve
from optnas.drawing.fonts import SMALL, TEXT, shortened, width_of, wrapped
from optnas.drawing.icons import icon
from optnas.drawing.labels import compact
from optnas.drawing.parts import Layer, Part
from optnas.drawing.pieces import Piece, line, polyline
from optnas.drawing.svg import Box, Item, Text
from optnas.ops.shapes import channel_axis
from optnas.shown import plain
from optnas.space.shapes import shape_text

__all__ = ["LEAST", "box_of", "described", "small_curves"]

LEAST = 20.0
"""Height of a box that costs nothing."""
_TALLEST = 110.0
"""Height that is added for a layer with all the FLOPs."""
_LINE = 12.5
_NARROWEST = 92.0
_WIDEST = 240.0
_MOST_CHANNELS = 2048
_ICON = 20.0
_CURVE = 36.0
# Lines of text in the box of a closed layer, and of one whose choices are to be listed.
_LINES, _OPEN_LINES = 2, 7


def box_of(layer: Layer, room: float, whole: int, *, fill: bool = False) -> Piece:
    """Return the box of a layer.

    Args:
        layer: The layer.
        room: The width that it must fit in.
        whole: FLOPs of the whole network.
        fill: Whether it takes all of the room, whatever its channels.
    """
    share = layer.flops / whole if whole else 0.0
    said = f"{share:.0%}" if share >= 0.005 else ""
    badge = f"×{layer.times}" if layer.times > 1 else ""
    beside = width_of(badge, TEXT) + 10 if badge else 0.0
    words = [plain(word) for word in layer.words]
    start = _CURVE if layer.curves else _ICON
    end = 9.0 if layer.block else 6.0
    first = width_of(said, SMALL) + 5 if said else 0.0
    most = min(room - 2 * beside, _WIDEST if not fill else room)
    width = most if fill else _width(layer, most, start + first + end + _wanted(words, layer.open))
    inner = width - start - end
    if width_of(words[0]) > inner - first:
        said, first = "", 0.0
    lines = _lines(words, inner - first, inner, _OPEN_LINES if layer.open else _LINES)
    height = LEAST + _TALLEST * share
    costs = _costs(layer, inner) if height >= LEAST + len(lines) * _LINE else ""
    height = max(height, LEAST + _LINE * (len(lines) - 1))
    x = -width / 2
    style = f"box k-{layer.kind}" + (" bad" if layer.error else " dashed" if layer.open else "")
    items: list[Item] = []
    if badge:
        items += [Box(x + shift, shift, width, height, f"card k-{layer.kind}") for shift in (5.0, 2.5)]
        items.append(Text(9 - x, height / 2 + 4, badge, "t-out", beside))
    items.append(Box(x, 0, width, height, style, title=described(layer, share)))
    if layer.block:
        items += [line(at, 0, at, height, f"i-{layer.kind} bar") for at in (x + 3, -x - 3)]
    y = (height - _LINE * (len(lines) - 1 + bool(costs))) / 2
    if layer.curves:
        items += small_curves(layer.curves, x + 5, y - 8, 26, 16)
    else:
        items += icon(layer.kind, x + 11, y)
    if said:
        items.append(Text(-x - end, y + 4, said, "t-soft", first, SMALL, "end"))
    items.append(Text(x + start, y + 4, lines[0], "", inner - first))
    for index, text in enumerate([*lines[1:], *([costs] if costs else [])], start=1):
        items.append(Text(x + start, y + 3.5 + _LINE * index, text, "t-soft", inner, SMALL))
    return Piece(-x, -x + beside, height + (5 if badge else 0), tuple(items))


def _width(layer: Layer, room: float, wanted: float) -> float:
    """Return the width for the channels; the name is to be read, however few there are."""
    least = min(_NARROWEST, room)
    channels = _channels(layer)
    share = 0.5 if layer.open else 0.36
    if channels is not None:
        share = math.log2(channels) / math.log2(_MOST_CHANNELS)
    return min(max(least + (room - least) * min(share, 1.0), wanted), room)


def _channels(layer: Layer) -> int | None:
    if isinstance(layer.after, tuple) and layer.after:
        return layer.after[channel_axis(layer.after)]
    arguments = dict(layer.node.args) if hasattr(layer.node, "args") else {}
    width = arguments.get("width")
    return width if isinstance(width, int) and width > 0 else None


def _wanted(words: list[str], is_open: bool) -> float:
    """Return the width of the text that should stand on the first line."""
    beside = 1 if is_open else 3
    return width_of(" ".join(words[:beside]) if len(" ".join(words[:beside])) <= 16 else words[0])


def _lines(words: list[str], first: float, others: float, most: int) -> list[str]:
    """Return the words on lines: the first of one width, the others of another."""
    lines = [words[0]]
    for word in words[1:]:
        size, room = (TEXT, first) if len(lines) == 1 else (SMALL, others)
        longer = f"{lines[-1]} {word}"
        if width_of(longer, size) <= room:
            lines[-1] = longer
        else:
            lines += wrapped(word, others)
    if len(lines) > most:
        lines = [*lines[: most - 1], shortened(lines[most - 1] + " …", others - width_of("…", SMALL), SMALL)]
        lines[-1] = lines[-1] if lines[-1].endswith("…") else lines[-1] + "…"
    return lines


def _costs(layer: Layer, room: float) -> str:
    if layer.cost is None:
        return ""
    costs = f"{compact(layer.params)} params, {compact(layer.flops)} FLOPs"
    return costs if width_of(costs, SMALL) <= room else f"{compact(layer.flops)} FLOPs"


def described(part: Part, share: float | None = None) -> str:
    """Return the tooltip of a part."""
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
        items.append(polyline(points, "curve" if len(curves) == 1 else "curve faint"))
    return items
