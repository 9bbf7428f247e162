"""The parts of a tree that a drawing shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from optnas.cost import Cost
from optnas.drawing.curves import curves_of, is_activation
from optnas.drawing.labels import copies, kind_of, option_text, title_of, words_of
from optnas.drawing.parts import Branches, Chain, Frame, Graph, Layer, Loop, Options, Part, folded
from optnas.ops.cell_graph import graph_of
from optnas.ops.merges import Merge
from optnas.ops.stack import reductions, steps
from optnas.space import BuildError, Node, Shape, Site
from optnas.space.holes import Choose, Hole, Repeat, is_open

__all__ = ["Outline"]


class Outline:
    """Reads a tree into parts.

    Args:
        site: The input's shape and the context; ``None`` for an outline without shapes and costs.
        expand: Whether composite ops are opened, and repetitions written out.
    """

    def __init__(self, site: Site | None, *, expand: bool = False) -> None:
        self._context = site
        self._expand = expand
        self._cells: dict[Any, str] = {}

    def of(self, tree: Node, shape: Shape | None) -> Chain:
        """Return the parts of a whole tree."""
        opened = None if tree.children else self._opened(tree, shape)
        return self.chain((tree if opened is None else opened,), shape)

    def chain(self, values: tuple[Any, ...], shape: Shape | None) -> Chain:
        """Return the parts of values one after the other, for an input of a shape."""
        before = shape
        parts: list[Part] = []
        for value in values:
            for part in self._parts(value, shape):
                parts.append(part)
                shape = part.after
        return Chain(parts=tuple(parts) if self._expand else folded(parts), before=before, after=shape)

    def _parts(self, value: Any, shape: Shape | None) -> tuple[Part, ...]:
        match value:
            case Choose():
                return (self._options(value),)
            case Repeat():
                body = self.chain((value.copy(0),), None)
                title = f"{value.name or 'copies'} {copies(value)}".strip()
                return (Frame(node=value, title=title, body=body, open=value.low < value.high),)
            case Hole():
                return (Layer(node=value, kind="plain", words=(value.word, option_text(value)), open=True),)
            case Node() if value.op.chain:
                parts = self.chain(value.children, shape).parts
                return parts or (self._layer(value, shape),)
            case Node():
                return self._node(value, shape)
        return (Layer(node=value, kind="plain", words=(option_text(value),)),)

    def _node(self, node: Node, shape: Shape | None) -> tuple[Part, ...]:
        reader: Callable[[Node, Shape | None], Part | tuple[Part, ...]] | None = None
        if node.op.builtin:
            readers: dict[str, Callable[[Node, Shape | None], Part | tuple[Part, ...]]] = {
                "residual": self._loop,
                "excite": self._loop,
                "branch": self._branch,
                "cell": self._cell,
                "stack": self._stack,
            }
            reader = readers.get(node.op.name)
            if isinstance(node.op, Merge) and node.children and not is_activation(node):
                reader = self._merge
        if reader is None:
            return self._block(node, shape)
        try:
            read = reader(node, shape)
        except (ValueError, TypeError, KeyError):
            # Parts that make no graph, or are open where the graph is decided.
            return (self._layer(node, shape),)
        return read if isinstance(read, tuple) else (read,)

    def _block(self, node: Node, shape: Shape | None) -> tuple[Part, ...]:
        holds = any(isinstance(value, Node) and not is_activation(value) for _, value in node.args)
        opened = self._opened(node, shape) if self._expand or holds else None
        if opened is None or opened == node:
            return (self._layer(node, shape),)
        body = self.chain((opened,), shape)
        if holds or len(body.parts) < 2:
            return body.parts
        return (self._with_cost(Frame(node=node, title=title_of(node), body=body), node, shape),)

    def _opened(self, node: Node, shape: Shape | None) -> Node | None:
        """Return the tree that a composite op stands for, where that is known."""
        try:
            return node.op.stands_for(node, self._site(shape))
        except Exception:  # a function of the user's own, or one that needs what is still open
            return None

    def _site(self, shape: Shape | None) -> Site | None:
        return None if self._context is None or shape is None else self._context.at(shape)

    def _cost(self, node: Any, shape: Shape | None) -> tuple[Cost | None, str]:
        """Return the cost of a node, and why it has none."""
        site = self._site(shape)
        if site is None or not isinstance(node, Node) or node.open:
            return None, ""
        try:
            return site.cost(node), ""
        except BuildError as error:
            unknown = any(part.op.defined_in == "optnas.drawing.reading" for part in node.walk())
            return None, "" if unknown else str(error)

    def _with_cost(self, part: Any, node: Node, shape: Shape | None) -> Any:
        cost, _ = self._cost(node, shape)
        after = None if cost is None else cost.shape
        return dataclasses.replace(part, cost=cost, before=shape, after=after)

    def _layer(self, node: Node, shape: Shape | None) -> Layer:
        cost, error = self._cost(node, shape)
        return Layer(
            node=node,
            before=shape,
            after=None if cost is None else cost.shape,
            cost=cost,
            kind=kind_of(node),
            words=words_of(node),
            curves=curves_of(node),
            open=node.open,
            error=error,
        )

    def _options(self, hole: Choose) -> Part:
        options = tuple(self._one(option) for option in hole.options)
        return Options(node=hole, title=hole.word, options=options)

    def _one(self, value: Any) -> Part:
        """Return one part for a value, several as a chain."""
        chain = self.chain((value,), None)
        return chain.parts[0] if len(chain.parts) == 1 else chain

    def _loop(self, node: Node, shape: Shape | None) -> Part:
        body = self.chain(node.children, shape)
        shortcut = ""
        if node.op.name == "residual" and body.after is not None and body.after != shape:
            shortcut = "1×1"
        loop = Loop(node=node, body=body, sign="×" if node.op.name == "excite" else "+", shortcut=shortcut)
        return self._with_cost(loop, node, shape)  # type: ignore[no-any-return]

    def _merge(self, node: Node, shape: Shape | None) -> Part:
        paths = tuple(self.chain((child,), shape) for child in node.children)
        return self._with_cost(Branches(node=node, paths=paths, merge=node.op.name), node, shape)  # type: ignore[no-any-return]

    def _branch(self, node: Node, shape: Shape | None) -> Part:
        merge = node.arguments["merge"]
        paths = tuple(self.chain((child,), shape) for child in node.children)
        part = Branches(node=node, paths=paths, merge=option_text(merge), open=is_open(merge))
        return self._with_cost(part, node, shape)  # type: ignore[no-any-return]

    def _cell(self, node: Node, shape: Shape | None, title: str = "cell") -> Part:
        known = self._cells.get(node)
        if known is not None and not self._expand:
            box = Layer(node=node, kind="plain", words=(known,))
            return self._with_cost(box, node, shape)  # type: ignore[no-any-return]
        letter = chr(ord("A") + len(self._cells)) if len(self._cells) < 26 else str(len(self._cells))
        self._cells.setdefault(node, title if title != "cell" else f"cell {letter}")
        return self._with_cost(self._graph(node, shape, self._cells[node]), node, shape)  # type: ignore[no-any-return]

    def _graph(self, node: Node, shape: Shape | None, title: str) -> Graph:
        rows: list[tuple[tuple[Part, int | None], ...]] = []
        notes: list[str] = []
        if not node.open:
            graph = graph_of(node)
            shapes: list[Shape | None] = [shape] * graph.inputs
            for edges in graph.nodes:
                row = tuple((self._edge(op, shapes[source]), source) for op, source in edges)
                shapes.append(row[0][0].after)
                rows.append(row)
            inputs, outputs = graph.inputs, graph.outputs
        else:
            inputs, concat = node.arguments["inputs"], node.arguments["concat"]
            for position, child in enumerate(node.children):
                sources = child.arguments["inputs"]
                if is_open(sources):
                    choices = ", ".join(map(option_text, sources.options))
                    notes.append(f"inputs of {inputs + position}: one of {choices}")
                    sources = [None] * len(child.children)
                elif sources is None:
                    sources = range(len(child.children))
                parts = [self._edge(op, None) for op in child.children]
                rows.append(tuple(zip(parts, sources, strict=True)))
            outputs = concat or (inputs + len(rows) - 1,)
        names = ("input",) if inputs == 1 else tuple(f"input {i}" for i in range(inputs))
        return Graph(
            node=node, title=title, inputs=names, rows=tuple(rows), outputs=outputs, notes=tuple(notes)
        )

    def _edge(self, value: Any, shape: Shape | None) -> Part:
        if isinstance(value, Node):
            if value.op.chain or value.op.name in ("residual", "branch"):
                return self._one_at(value, shape)
            return self._layer(value, shape)
        return self._one(value)

    def _one_at(self, value: Node, shape: Shape | None) -> Part:
        chain = self.chain((value,), shape)
        return chain.parts[0] if len(chain.parts) == 1 else chain

    def _stack(self, node: Node, shape: Shape | None) -> tuple[Part, ...]:
        site = self._site(shape)
        arguments = node.arguments
        if site is None or node.open:
            cells: list[tuple[Any, Shape | None, Shape | None, Cost | None, bool]] = [
                (arguments["reduction" if reduces else "normal"], None, None, None, reduces)
                for reduces in reductions(arguments["cells"])
            ]
        else:
            cells = []
            for step, reduces in zip(steps(node, site), reductions(arguments["cells"]), strict=True):
                older = site.at(step.older_shape).cost(step.older)
                newer = site.at(step.newer_shape).cost(step.newer)
                cell = site.at(step.cell_shape).cost(step.cell)
                cost = older.then(newer).then(cell)
                cells.append((step.cell, step.cell_shape, step.newer_shape, cost, reduces))
        parts = []
        for cell, inner, before, cost, reduces in cells:
            part = self._cell(cell, inner, "reduction cell" if reduces else "normal cell")
            after = None if cost is None else cost.shape
            parts.append(dataclasses.replace(part, before=before, after=after, cost=cost))
        return tuple(parts)
