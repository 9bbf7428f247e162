"""Drawing of a tree: an architecture with its shapes and costs, or a space with its choices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from optnas.drawing.drawing import Drawing
from optnas.drawing.ends import at_its_ends
from optnas.drawing.fonts import SMALL, width_of
from optnas.drawing.icons import icon
from optnas.drawing.labels import compact
from optnas.drawing.layout import Layout
from optnas.drawing.learned import with_learned
from optnas.drawing.outline import Outline
from optnas.drawing.parts import Branches, Chain, Frame, Graph, Layer, Loop, Options, Part
from optnas.drawing.pieces import arrow
from optnas.drawing.svg import Box, Group, Item, Text, to_drawing
from optnas.drawing.theme import KINDS
from optnas.space import Node, Site, SpaceError
from optnas.space.shapes import AnyShape, shape_text

__all__ = ["draw"]

_WIDTH = 300.0
_MARGIN = 10.0


def draw(
    tree: Node, shape: AnyShape | None = None, *, expand: bool = False, module: Any = None, **context: Any
) -> Drawing:
    """Return the drawing of an architecture or a space; see :meth:`~optnas.space.node.Node.draw`."""
    title = f"Drawing of {_start(str(tree))}"
    site = None if shape is None else Site.of(shape, context)
    if module is not None and not isinstance(module, nn.Module):
        raise SpaceError(f"module={module!r:.60} is no torch.nn.Module: give the network that was built")
    if module is not None and site is not None:
        tree = with_learned(tree, module, site)
    chain = Outline(site, expand=expand).of(tree, None if site is None else site.shape)
    chain, begins, ends = at_its_ends(chain)
    whole = sum(part.flops for part in chain.parts)
    piece = Layout(whole).piece(chain, _WIDTH - 2 * _MARGIN)
    width = max(_WIDTH, 2 * max(piece.left, piece.right) + 2 * _MARGIN)
    axis = min(max(width / 2, piece.left + _MARGIN), width - piece.right - _MARGIN)
    items: list[Item] = []
    y = 24.0
    if not begins:
        given = "input" if site is None else f"input {shape_text(site.shape)}"
        items += [Text(width / 2, 18, given, "t-out", width - 2 * _MARGIN, anchor="middle")]
        items += arrow(axis, y, y + 14)
        y += 14
    else:
        y = _MARGIN
    items.append(Group(axis, y, piece.items))
    y += piece.height
    if not ends:
        items += arrow(axis, y, y + 14)
        y += 14
    said = _said(chain, whole)
    items.append(Text(width / 2, y + 13, said, "t-out", width - 2 * _MARGIN, anchor="middle"))
    legend, height = _legend(sorted(_kinds(chain), key=list(KINDS).index), y + 24, width)
    return to_drawing([*items, *legend], width, height, title)


def _said(chain: Chain, whole: int) -> str:
    words = ["output" if chain.after is None else f"output {shape_text(chain.after)}"]
    costs = [part.cost for part in chain.parts]
    if costs and None not in costs:
        params = sum(part.params for part in chain.parts)
        words.append(f"{compact(params)} params, {compact(whole)} FLOPs")
    return ": ".join(words) if len(words) == 1 else " · ".join(words)


def _start(text: str) -> str:
    return text if len(text) <= 200 else text[:199] + "…"


def _kinds(part: Part) -> set[str]:
    match part:
        case Layer(kind=kind):
            return {kind}
        case Chain(parts=parts) | Branches(paths=parts) | Options(options=parts):
            return _all(parts)
        case Frame(body=body) | Loop(body=body):
            return _kinds(body)
        case Graph(rows=rows):
            return _all(edge for row in rows for edge, _ in row)
    return set()


def _all(parts: Iterable[Part]) -> set[str]:
    found: set[str] = set()
    return found.union(*map(_kinds, parts))


def _legend(kinds: list[str], y: float, width: float) -> tuple[list[Item], float]:
    """Return what the colours and signs mean, and where it ends."""
    items: list[Item] = []
    x = _MARGIN
    for kind in kinds:
        name = KINDS[kind]
        wide = 18 + width_of(name, SMALL) + 10
        if x + wide > width - _MARGIN + 10 and x > _MARGIN:
            x, y = _MARGIN, y + 18
        items += [
            Box(x, y, 14, 14, f"key k-{kind}", 3),
            *icon(kind, x + 7, y + 7),
            Text(x + 18, y + 10.5, name, "t-out", width_of(name, SMALL), SMALL),
        ]
        x += wide
    return items, y + (14 if kinds else 0) + _MARGIN
