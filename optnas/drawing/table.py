"""Table of an architecture's layers with their shapes and costs, for terminals and notebooks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from html import escape
from typing import Any

from rich.table import Table
from rich.text import Text

from optnas.drawing.outline import Outline
from optnas.drawing.parts import Branches, Chain, Frame, Graph, Layer, Loop, Part
from optnas.shown import plain, readable
from optnas.space import BuildError, Node, Site, SpaceError
from optnas.space.shapes import AnyShape, shape_text

__all__ = ["ArchitectureTable", "table"]

_HEADS = ("layer", "output", "params", "FLOPs", "share")
# The units of indentation of a part within another.
_STEP = "  "


@dataclasses.dataclass(frozen=True)
class ArchitectureTable:
    """The layers of an architecture, a row each, with their costs on one sample.

    Attributes:
        rows: For each layer, in the order in which data flows: ``layer``, its text; ``level``, how deep it
            stands in blocks; ``times``, how often it stands in a row; ``shape``, its output; ``params`` and
            ``flops`` of all its copies; ``share`` of the FLOPs. A cost that is not known is ``None``. Rows of
            a higher level below one are its parts, and are included in it.
        total: The same of the whole architecture.
    """

    rows: list[dict[str, Any]]
    total: dict[str, Any]

    def __rich__(self) -> Table:
        made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for head in _HEADS:
            right = head not in ("layer", "output")
            made.add_column(head, justify="right" if right else "left", overflow="fold", no_wrap=right)
        for row in (*self.rows, self.total):
            style = "bold" if row is self.total else None
            made.add_row(*(Text(cell) for cell in _cells(row)), style=style)
        return made

    @property
    def html(self) -> str:
        """The table as HTML, which loads nothing and brings no style of its own but alignment."""
        lines = ["".join(f"<th{_aligned(i)}>{head}</th>" for i, head in enumerate(_HEADS))]
        for row in (*self.rows, self.total):
            cells = list(_cells(row))
            indent = len(cells[0]) - len(cells[0].lstrip())
            pad = f' style="text-align:left;padding-left:{0.5 + 0.7 * indent:.1f}em"'
            line = f"<td{pad}>{escape(cells[0].strip())}</td>"
            line += "".join(f"<td{_aligned(i)}>{escape(c)}</td>" for i, c in enumerate(cells[1:], start=1))
            lines.append(line)
        head, *body, foot = (f"<tr>{line}</tr>" for line in lines)
        return (
            f'<table class="optnas-layers"><thead>{head}</thead><tbody>{"".join(body)}</tbody>'
            f"<tfoot>{foot}</tfoot></table>"
        )

    def _repr_html_(self) -> str:
        return self.html


def _aligned(column: int) -> str:
    return ' style="text-align:left"' if column < 2 else ' style="text-align:right"'


def _cells(row: dict[str, Any]) -> Iterator[str]:
    times = f"  ×{row['times']}" if row["times"] > 1 else ""
    yield _STEP * row["level"] + readable(plain(row["layer"])) + times
    yield "–" if row["shape"] is None else shape_text(row["shape"])
    for name in ("params", "flops"):
        yield "–" if row[name] is None else f"{row[name]:,}"
    yield "–" if row["share"] is None else f"{row['share']:.1%}"


def table(tree: Node, shape: AnyShape, *, expand: bool = False, **context: Any) -> ArchitectureTable:
    """Return the table of an architecture; see :meth:`~optnas.space.node.Node.table`."""
    if tree.open:
        raise SpaceError(f"{tree} still has holes: only an architecture has a table of its layers")
    site = Site.of(shape, context)
    chain = Outline(site, expand=expand).of(tree, site.shape)
    whole = sum(part.flops for part in chain.parts)
    known = all(part.cost is not None for part in chain.parts)
    try:
        after = site.cost(tree).shape
    except BuildError:
        after = None
    total = _row("total", chain, 0, whole)
    total |= {
        "shape": after,
        "params": sum(part.params for part in chain.parts) if known else None,
        "flops": whole if known else None,
        "share": 1.0 if known else None,
    }
    return ArchitectureTable(list(_rows(chain, 0, whole)), total)


def _row(layer: str, part: Part, level: int, whole: int) -> dict[str, Any]:
    known = part.cost is not None
    return {
        "layer": layer,
        "level": level,
        "times": part.times,
        "shape": part.after,
        "params": part.params if known else None,
        "flops": part.flops if known else None,
        "share": (part.flops / whole if whole else 0.0) if known else None,
    }


def _rows(part: Part, level: int, whole: int) -> Iterator[dict[str, Any]]:
    match part:
        case Chain(parts=parts):
            for inner in parts:
                yield from _rows(inner, level, whole)
        case Layer():
            yield _row(str(part.node), part, level, whole)
        case Frame(title=title, body=body):
            yield _row(title or "copies", part, level, whole)
            yield from _rows(body, level + 1, whole)
        case Loop(body=body, node=node):
            yield _row(node.op.name, part, level, whole)
            yield from _rows(body, level + 1, whole)
        case Branches(paths=paths, merge=merge, names=names) if names:
            yield _row(merge, part, level, whole)
            for name, path in zip(names, paths, strict=True):
                for row in _rows(path, level + 1, whole):
                    yield row | {"layer": f"{name}: {row['layer']}"} if row["level"] == level + 1 else row
        case Branches(paths=paths, merge=merge):
            yield _row(merge, part, level, whole)
            for path in paths:
                yield from _rows(path, level + 1, whole)
        case Graph(title=title, rows=rows, inputs=inputs):
            yield _row(title, part, level, whole)
            for state, edges in enumerate(rows, start=len(inputs)):
                for edge, source in edges:
                    for row in _rows(edge, level + 1, whole):
                        yield row | {"layer": f"{source} → {state}: {row['layer']}"}
