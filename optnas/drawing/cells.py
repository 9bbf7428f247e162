"""Cells of a network: the first copy of each is drawn as its graph, all others as a box of its name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Protocol

from optnas.drawing.labels import option_text
from optnas.drawing.parts import Branches, Cell, Chain, Frame, Graph, Layer, Loop, Options, Part
from optnas.ops.cell_graph import graph_of
from optnas.space import Node, ops_by_name
from optnas.space.holes import Choose, is_open
from optnas.space.shapes import AnyShape

__all__ = ["Cells"]

Row = tuple[tuple[Part, int | None], ...]


class _Reader(Protocol):
    def layer(self, node: Node, shape: AnyShape | None, *, block: bool = False) -> Layer: ...

    def one(self, value: Any) -> Part: ...


class Cells:
    """Opens the cells among parts.

    Args:
        reader: Reads the ops within them.
        opened: Whether each is opened wherever it stands.
    """

    def __init__(self, reader: _Reader, *, opened: bool) -> None:
        self._reader = reader
        self._opened = opened
        self._names: dict[Any, str] = {}
        self._distinct = 0

    def placed(self, chain: Chain) -> Chain:
        """Return the chain with its cells opened where they are seen first."""
        self._distinct = len({cell.node for cell in _cells(chain)})
        return self._of(chain)  # type: ignore[no-any-return]

    def _of(self, part: Any) -> Any:
        match part:
            case Cell():
                return self._cell(part)
            case Chain(parts=parts):
                return dataclasses.replace(part, parts=tuple(map(self._of, parts)))
            case Frame(body=body) | Loop(body=body):
                return dataclasses.replace(part, body=self._of(body))
            case Branches(paths=paths):
                return dataclasses.replace(part, paths=tuple(map(self._of, paths)))
            case Options(options=options):
                return dataclasses.replace(part, options=tuple(map(self._of, options)))
        return part

    def _cell(self, cell: Cell) -> Part:
        known = self._names.get(cell.node)
        if known is None:
            letter = f" {_letter(len(self._names))}" if self._distinct > 1 else ""
            self._names[cell.node] = cell.title or f"cell{letter}"
        elif not self._opened:
            words = (known, "as above")
            return _with_figures(Layer(node=cell.node, kind="cell", words=words), cell)
        times = f" ×{cell.times}" if cell.times > 1 else ""
        return _with_figures(self._graph(cell, self._names[cell.node] + times), cell)

    def _graph(self, cell: Cell, title: str) -> Layer | Graph:
        try:
            merges = _merges(cell.node)
            # The merge of a study file that is not at hand is known by its name alone.
            known = all(not name or name.split()[0] in ops_by_name() for name in merges)
            closed = known and not cell.node.open
            inputs, rows, outputs, notes = self._closed(cell) if closed else self._open(cell.node)
        except (ValueError, TypeError, KeyError):
            # Parts that make no graph, or are open where the graph is decided.
            return self._reader.layer(cell.node, cell.inner)
        names = ["input"] if inputs == 1 else [f"input {index}" for index in range(inputs)]
        apart: tuple[int, ...] = ()
        if cell.title and inputs == 2:
            names, apart = ["output of the cell before last", "output of the last cell"], (0,)
        rows, options = _shared(rows)
        return Graph(
            node=cell.node,
            title=title,
            inputs=tuple(names),
            rows=tuple(rows),
            outputs=outputs,
            apart=apart,
            notes=tuple(notes),
            merges=merges,
            options=options,
        )

    def _closed(self, cell: Cell) -> tuple[int, list[Row], tuple[int, ...], list[str]]:
        graph = graph_of(cell.node)
        shapes: list[AnyShape | None] = [cell.inner] * graph.inputs
        rows: list[Row] = []
        for edges in graph.nodes:
            row = tuple((self._edge(op, shapes[source]), source) for op, source in edges)
            shapes.append(row[0][0].after)
            rows.append(row)
        return graph.inputs, rows, graph.outputs, []

    def _open(self, node: Node) -> tuple[int, list[Row], tuple[int, ...], list[str]]:
        inputs, concat = node.arguments["inputs"], node.arguments["concat"]
        rows: list[Row] = []
        notes: list[str] = []
        for state, child in enumerate(node.children, start=inputs):
            sources = child.arguments["inputs"]
            if is_open(sources):
                choices = ", ".join(map(option_text, sources.options))
                notes.append(f"{state} takes one of {choices}")
                sources = [None] * len(child.children)
            elif sources is None:
                sources = range(len(child.children))
            rows.append(tuple(zip((self._edge(op, None) for op in child.children), sources, strict=True)))
        return inputs, rows, concat or (inputs + len(rows) - 1,), notes

    def _edge(self, value: Any, shape: AnyShape | None) -> Part:
        # A box also for a chain: within a cell there is no room for more.
        return self._reader.layer(value, shape) if isinstance(value, Node) else self._reader.one(value)


def _merges(cell: Node) -> tuple[str, ...]:
    """Return what is written at each state that is no sum: its merge, or what that may be."""
    usual = cell.arguments.get("merge", "add")
    given = [child.arguments.get("merge") for child in cell.children]
    names = [option_text(usual if each is None else each) for each in given]
    return tuple("" if name == "add" else name for name in names) if set(names) != {"add"} else ()


def _with_figures(part: Layer | Graph, cell: Cell) -> Part:
    return dataclasses.replace(part, before=cell.before, after=cell.after, cost=cell.cost, times=cell.times)


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else str(index + 1)


def _shared(rows: list[Row]) -> tuple[list[Row], Options | None]:
    """Return rows in which open ops are boxes, and what all of these may be, where that is the same."""
    open_ops = [edge for row in rows for edge, _ in row if isinstance(edge, Options)]
    if len(open_ops) < 2 or len({edge.node.options for edge in open_ops}) > 1:
        return rows, None

    def boxed(edge: Part) -> Part:
        if not isinstance(edge, Options) or not isinstance(edge.node, Choose):
            return edge
        words = (edge.title, f"one of {len(edge.options)}")
        return Layer(node=edge.node, kind="plain", words=words, open=True)

    made = [tuple((boxed(edge), source) for edge, source in row) for row in rows]
    return made, dataclasses.replace(open_ops[0], title="each of these ops")


def _cells(part: Part) -> Iterator[Cell]:
    match part:
        case Cell():
            yield part
        case Chain(parts=parts) | Branches(paths=parts) | Options(options=parts):
            for inner in parts:
                yield from _cells(inner)
        case Frame(body=body) | Loop(body=body):
            yield from _cells(body)
