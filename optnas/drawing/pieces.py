"""Laid-out pieces of a drawing, each on the vertical axis of the data flow, and the lines between them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from optnas.drawing.fonts import SMALL, width_of
from optnas.drawing.svg import Group, Item, Path, Text

__all__ = ["Piece", "arrow", "curve", "dot", "line", "merge_sign", "name_sign", "polyline", "rounded"]


@dataclasses.dataclass(frozen=True)
class Piece:
    """Items around a vertical axis, which data enters at (0, 0) and leaves at (0, ``height``).

    Attributes:
        left: How far the items reach to the left of the axis.
        right: How far they reach to the right of it.
        height: How far they reach down.
        items: The items.
    """

    left: float
    right: float
    height: float
    items: tuple[Item, ...]

    def at(self, x: float, y: float) -> Group:
        """Return the items with the beginning of the axis at a point."""
        return Group(x, y, self.items)

    @property
    def width(self) -> float:
        """The whole width."""
        return self.left + self.right


def line(x1: float, y1: float, x2: float, y2: float, style: str = "line") -> Path:
    """Return a straight line."""
    return Path((("M", (x1, y1)), ("L", (x2, y2))), style)


def curve(x1: float, y1: float, x2: float, y2: float, style: str = "line") -> Path:
    """Return a curve that leaves one point and meets the other vertically."""
    middle = (y1 + y2) / 2
    return Path((("M", (x1, y1)), ("C", (x1, middle, x2, middle, x2, y2))), style)


def polyline(points: list[tuple[float, float]], style: str) -> Path:
    """Return lines through points; a point that is not finite interrupts them."""
    steps: list[tuple[str, tuple[float, ...]]] = []
    drawing = False
    for point in points:
        finite = all(map(math.isfinite, point))
        if finite:
            steps.append(("L" if drawing else "M", point))
        drawing = finite
    return Path(tuple(steps), style)


def arrow(x: float, y1: float, y2: float, style: str = "line") -> tuple[Item, ...]:
    """Return a vertical line down to a point, with a tip where there is room for one."""
    if y2 - y1 < 9:
        return (line(x, y1, x, y2, style),)
    tip = Path((("M", (x, y2)), ("L", (x - 3, y2 - 6, x + 3, y2 - 6)), ("Z", ())), "tip")
    return (line(x, y1, x, y2 - 5, style), tip)


def merge_sign(word: str, y: float, *, dashed: bool = False) -> tuple[float, tuple[Item, ...]]:
    """Return half the width of a merge's sign on the axis, and the sign with its centre at ``y``."""
    sign = {"add": "+", "mul": "×"}.get(word, word)
    half = 7.0 if len(sign) == 1 else width_of(sign, SMALL) / 2 + 6
    outline = _pill(half, y, "dot dashed" if dashed else "dot")
    text = Text(0, y + 3.5, sign, "t-soft", 2 * half, SMALL, "middle")
    return half, (outline, text)


def name_sign(name: str) -> tuple[float, tuple[Item, ...]]:
    """Return half the width of an output's name on the axis, and the name with its centre at 0."""
    half = max(width_of(name, SMALL) / 2 + 7, 14.0)
    return half, (_pill(half, 0, "dot"), Text(0, 3.5, name, "t-soft", 2 * half - 8, SMALL, "middle"))


def _pill(half: float, y: float, style: str) -> Path:
    r = 7.0
    bend = r * 0.55
    x = half - r
    return Path(
        (
            ("M", (-x, y - r)),
            ("L", (x, y - r)),
            ("C", (x + bend, y - r, x + r, y - bend, x + r, y)),
            ("C", (x + r, y + bend, x + bend, y + r, x, y + r)),
            ("L", (-x, y + r)),
            ("C", (-x - bend, y + r, -x - r, y + bend, -x - r, y)),
            ("C", (-x - r, y - bend, -x - bend, y - r, -x, y - r)),
            ("Z", ()),
        ),
        style,
    )


def dot(x: float, y: float) -> Path:
    """Return a small circle."""
    r, bend = 3.0, 1.65
    return Path(
        (
            ("M", (x, y - r)),
            ("C", (x + bend, y - r, x + r, y - bend, x + r, y)),
            ("C", (x + r, y + bend, x + bend, y + r, x, y + r)),
            ("C", (x - bend, y + r, x - r, y + bend, x - r, y)),
            ("C", (x - r, y - bend, x - bend, y - r, x, y - r)),
            ("Z", ()),
        ),
        "dot",
    )


def rounded(points: Sequence[tuple[float, float]], style: str = "line", radius: float = 5.0) -> Path:
    """Return lines through points, with round corners."""
    steps: list[tuple[str, tuple[float, ...]]] = [("M", points[0])]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near = min(radius, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        steps += [("L", _towards(corner, before, near)), ("Q", (*corner, *_towards(corner, after, near)))]
    return Path((*steps, ("L", points[-1])), style)


def _towards(start: tuple[float, float], end: tuple[float, float], by: float) -> tuple[float, float]:
    whole = math.dist(start, end)
    share = by / whole if whole else 0.0
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
