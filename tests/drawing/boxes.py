"""The boxes and texts of a drawing, read back from its SVG."""

from __future__ import annotations

import itertools
from typing import NamedTuple
from xml.etree import ElementTree

from optnas.drawing import Drawing
from optnas.drawing.fonts import width_of

SVG = "{http://www.w3.org/2000/svg}"
# Edges may touch, and coordinates are rounded to tenths.
_TOUCH = 0.2


class Rectangle(NamedTuple):
    """A rectangle of a drawing, with what says what it is."""

    x1: float
    y1: float
    x2: float
    y2: float
    what: str

    def holds(self, other: Rectangle) -> bool:
        """Return whether ``other`` is within it."""
        return (
            self.x1 <= other.x1 + _TOUCH
            and self.y1 <= other.y1 + _TOUCH
            and other.x2 <= self.x2 + _TOUCH
            and other.y2 <= self.y2 + _TOUCH
        )

    def meets(self, other: Rectangle) -> bool:
        """Return whether the two have an area in common."""
        return (
            self.x1 < other.x2 - _TOUCH
            and other.x1 < self.x2 - _TOUCH
            and self.y1 < other.y2 - _TOUCH
            and other.y1 < self.y2 - _TOUCH
        )


def rectangles(drawing: Drawing, *styles: str) -> list[Rectangle]:
    """Return the rectangles that have one of these styles."""
    found = []
    for rect in ElementTree.fromstring(drawing.svg).iter(f"{SVG}rect"):
        if set(rect.get("class").split()) & set(styles):
            x, y, width, height = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
            title = rect.find(f"{SVG}title")
            found.append(Rectangle(x, y, x + width, y + height, "" if title is None else title.text))
    return found


def texts(drawing: Drawing) -> list[Rectangle]:
    """Return where the texts are, by the table of widths."""
    found = []
    for text in ElementTree.fromstring(drawing.svg).iter(f"{SVG}text"):
        size = float(text.get("font-size"))
        width = float(text.get("textLength") or width_of(text.text, size))
        start = float(text.get("x"))
        start -= {"middle": width / 2, "end": width}.get(text.get("text-anchor"), 0.0)
        y = float(text.get("y"))
        # Capitals and digits: what hangs below the line is thin, and is left out.
        found.append(Rectangle(start, y - 0.73 * size, start + width, y, text.text))
    return found


def assert_tidy(drawing: Drawing) -> None:
    """Assert that texts are within their boxes, nothing overlaps, and everything is in the picture."""
    boxes = rectangles(drawing, "box")
    frames = rectangles(drawing, "frame", "open")
    written = texts(drawing)
    picture = Rectangle(0, 0, drawing.width, drawing.height, "the picture")
    for item in (*boxes, *frames, *written):
        assert picture.holds(item), item
    for one, other in itertools.combinations(boxes, 2):
        assert not one.meets(other), (one, other)
    for one, other in itertools.combinations(written, 2):
        assert not one.meets(other), (one, other)
    for box in boxes:
        for text in written:
            assert box.holds(text) or not box.meets(text), (box, text)
    for frame in frames:
        for item in (*boxes, *frames, *written):
            assert frame.holds(item) or item.holds(frame) or not frame.meets(item), (frame, item)
