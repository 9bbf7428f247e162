"""Shapes with coordinates, and their SVG markup."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape

from optnas.drawing.drawing import Drawing
from optnas.drawing.fonts import TEXT, known, shortened, width_of
from optnas.drawing.theme import STYLE
from optnas.shown import plain

__all__ = ["Box", "Group", "Item", "Path", "Text", "shown", "to_drawing"]


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle, with a text that shows on hover."""

    x: float
    y: float
    width: float
    height: float
    style: str
    radius: float = 4
    title: str = ""


@dataclasses.dataclass(frozen=True)
class Path:
    """Lines and curves; each step is a letter of SVG's path language with its absolute points."""

    steps: tuple[tuple[str, tuple[float, ...]], ...]
    style: str


@dataclasses.dataclass(frozen=True)
class Text:
    """A line of text; ``room`` is the width that it must fit in."""

    x: float
    y: float
    text: str
    style: str
    room: float
    size: float = TEXT
    anchor: str = "start"


@dataclasses.dataclass(frozen=True)
class Group:
    """Items whose coordinates count from a point."""

    x: float
    y: float
    items: tuple[Item, ...]


Item = Box | Path | Text | Group


def shown(text: str, *, lines: bool = False) -> str:
    """Return a text as XML can hold it: markup escaped, and what steers or is no character replaced."""
    seen = plain(text, lines=lines).replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
    return escape(seen, {'"': "&quot;"})


def to_drawing(items: Iterable[Item], width: float, height: float, title: str) -> Drawing:
    """Return the drawing of items, with a title that screen readers say."""
    w, h = round(width), round(height)
    body = "".join(_written(items, 0, 0))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="optnas-drawing" width="{w}" height="{h}"'
        f' viewBox="0 0 {w} {h}" role="img" aria-label="{shown(title)}"><style>{STYLE}</style>{body}</svg>'
    )
    return Drawing(svg, w, h)


def _written(items: Iterable[Item], dx: float, dy: float) -> Iterator[str]:
    for item in items:
        match item:
            case Group(x=x, y=y, items=inner):
                yield from _written(inner, dx + x, dy + y)
            case Box():
                title = f"<title>{shown(item.title, lines=True)}</title>" if item.title else ""
                shape = (
                    f'<rect x="{_n(item.x + dx)}" y="{_n(item.y + dy)}" width="{_n(item.width)}"'
                    f' height="{_n(item.height)}" rx="{_n(item.radius)}" class="{item.style}"'
                )
                yield f"{shape}>{title}</rect>" if title else f"{shape}/>"
            case Path():
                yield f'<path d="{_path(item, dx, dy)}" class="{item.style}"/>'
            case Text():
                yield _text(item, dx, dy)


def _path(path: Path, dx: float, dy: float) -> str:
    parts = []
    for letter, numbers in path.steps:
        moved = (number + (dx if index % 2 == 0 else dy) for index, number in enumerate(numbers))
        parts.append(letter + " ".join(map(_n, moved)))
    return "".join(parts)


def _text(item: Text, dx: float, dy: float) -> str:
    text = shortened(plain(item.text), item.room, item.size)
    if not text:
        return ""
    # Characters of unknown width are made to fit.
    length = min(width_of(text, item.size), item.room)
    fitted = "" if known(text) else f' textLength="{_n(length)}" lengthAdjust="spacingAndGlyphs"'
    style = f' class="{item.style}"' if item.style else ""
    anchor = "" if item.anchor == "start" else f' text-anchor="{item.anchor}"'
    at = f'x="{_n(item.x + dx)}" y="{_n(item.y + dy)}" font-size="{_n(item.size)}"'
    return f"<text {at}{anchor}{fitted}{style}>{shown(text)}</text>"


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
