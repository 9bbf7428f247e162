"""Axes of a plot of functions of one number, from -5 to 5."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from optnas.drawing.curves import Curve
from optnas.drawing.fonts import SMALL
from optnas.drawing.pieces import line
from optnas.drawing.svg import Item, Text

__all__ = ["POINTS", "REACH", "Axes", "shown_range", "slope_of"]

REACH = 5.0
POINTS = 401


@dataclasses.dataclass(frozen=True)
class Axes:
    """Square that shows functions between -5 and 5.

    Attributes:
        left: The left end.
        top: The upper end.
        side: The length of its sides.
        low: The value at its lower end.
        high: The value at its upper end.
    """

    left: float
    top: float
    side: float
    low: float
    high: float

    def across(self, x: float) -> float:
        """Return how far to the right a number stands."""
        return self.left + (x + REACH) / (2 * REACH) * self.side

    def up(self, y: float) -> float:
        """Return how far down a value stands."""
        return self.top + (self.high - y) / (self.high - self.low) * self.side

    def points(self, curve: Curve) -> list[tuple[float, float]]:
        """Return the points of a curve, not a number where it is out of sight."""
        return [
            (self.across(x), self.up(y) if self.low <= y <= self.high else math.nan)
            for x, y in zip(curve.x, curve.y, strict=True)
        ]

    @property
    def items(self) -> list[Item]:
        """Lines and numbers of both axes."""
        items: list[Item] = []
        bottom, right = self.top + self.side, self.left + self.side
        for x in (-4, -2, 0, 2, 4):
            at = self.across(x)
            items.append(line(at, self.top, at, bottom, "axis" if x else "line"))
            items.append(Text(at, bottom + 14, f"{x}".replace("-", "−"), "t-out", 30, SMALL, "middle"))
        step = 1 if self.high - self.low < 5 else 2
        for y in range(-4, 6):
            if self.low <= y <= self.high and y % step == 0:
                at = self.up(y)
                items.append(line(self.left, at, right, at, "axis" if y else "line"))
                label = f"{y}".replace("-", "−")
                items.append(Text(self.left - 6, at + 3.5, label, "t-out", 24, SMALL, "end"))
        return items


def slope_of(curve: Curve) -> Curve:
    """Return the difference quotients of a curve."""
    x, y = curve
    slopes = [(y[i + 1] - y[i]) / (x[i + 1] - x[i]) for i in range(len(x) - 1)]
    return Curve(tuple((x[i] + x[i + 1]) / 2 for i in range(len(x) - 1)), tuple(slopes))


def shown_range(curves: Iterable[Curve], least: float = -1.0) -> tuple[float, float]:
    """Return the values between which to show curves: all within ±5, and at least from ``least`` to 1."""
    finite = [y for curve in curves for y in curve.y if math.isfinite(y)] or [0.0]
    low, high = max(min(*finite, least), -REACH), min(max(*finite, 1.0), REACH)
    return low - 0.2, high + 0.2
