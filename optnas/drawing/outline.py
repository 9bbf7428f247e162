"""Converts an architecture or a search space to the parts of a drawing, with shapes and costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from optnas.cost import Cost
from optnas.drawing.cells import Cells
from optnas.drawing.curves import curves_of, is_activation
from optnas.drawing.folding import folded
from optnas.drawing.labels import copies, kind_of, option_text, title_of, words_of
from optnas.drawing.parts import Branches, Cell, Chain, Frame, Layer, Loop, Options, Part
from optnas.ops.merging import Merging
from optnas.ops.stack import reductions, steps
from optnas.space import BuildError, Node, Site
from optnas.space.holes import Choose, Hole, Repeat, is_open, outcomes
from optnas.space.shapes import AnyShape, Shapes
from optnas.space.stage import Stage

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

    def of(self, tree: Node, shape: AnyShape | None) -> Chain:
        """Return the parts of a whole tree."""
        opened = None if tree.children else self._opened(tree, shape)
        chain = self.chain((tree if opened is None else opened,), shape)
        return Cells(self, opened=self._expand).placed(chain)

    def chain(self, values: tuple[Any, ...], shape: AnyShape | None) -> Chain:
        """Return the parts of values one after the other, for an input of a shape."""
        before = shape
        parts: list[Part] = []
        for value in values:
            for part in self._parts(value, shape):
                parts.append(part)
                shape = part.after
        return Chain(parts=tuple(parts) if self._expand else folded(parts), before=before, after=shape)

    def _parts(self, value: Any, shape: AnyShape | None) -> tuple[Part, ...]:
        match value:
            case Choose():
                return (self._options(value),)
            case Repeat():
                body = self.chain((value.body,), None)
                title = f"{value.name or 'copies'} {copies(value)}"
                if isinstance(value, Stage):
                    title += f", the first with stride {option_text(value.stride)}"
                return (Frame(node=value, title=title, body=body, open=value.low < value.high),)
            case Hole():
                return (Layer(node=value, kind="plain", words=(value.word, option_text(value)), open=True),)
            case Node() if value.op.chain:
                parts = self.chain(value.children, shape).parts
                return parts or (self.layer(value, shape),)
            case Node():
                return self._node(value, shape)
        return (Layer(node=value, kind="plain", words=(option_text(value),)),)

    def _node(self, node: Node, shape: AnyShape | None) -> tuple[Part, ...]:
        reader: Callable[[Node, AnyShape | None], Part | tuple[Part, ...]] | None = None
        if node.op.builtin:
            readers: dict[str, Callable[[Node, AnyShape | None], Part | tuple[Part, ...]]] = {
                "residual": self._loop,
                "excite": self._loop,
                "branch": self._branch,
                "fork": self._named,
                "update": self._named,
                "cell": self._cell,
                "stack": self._stack,
            }
            reader = readers.get(node.op.name)
        if isinstance(node.op, Merging) and node.children and not is_activation(node):
            reader = self._merge
        if reader is None:
            return self._block(node, shape)
        try:
            read = reader(node, shape)
        except (ValueError, TypeError, KeyError):
            # Parts that make no graph, or are open where the graph is decided.
            return (self.layer(node, shape),)
        return read if isinstance(read, tuple) else (read,)

    def _block(self, node: Node, shape: AnyShape | None) -> tuple[Part, ...]:
        opened = self._opened(node, shape)
        holds = any(map(_is_block, (value for _, value in node.args)))
        if opened is None or not (self._expand or holds):
            return (self.layer(node, shape, block=opened is not None and _is_several(opened)),)
        body = self.chain((opened,), shape)
        if holds or len(body.parts) < 2:
            return body.parts
        return (self._with_cost(Frame(node=node, title=title_of(node), body=body), node, shape),)

    def _opened(self, node: Node, shape: AnyShape | None) -> Node | None:
        """Return the tree that a composite op stands for, where that is known."""
        try:
            return node.op.stands_for(node, self._site(shape))
        except Exception:  # a function of the user's own, or one that needs what is still open
            return None

    def _site(self, shape: AnyShape | None) -> Site | None:
        return None if self._context is None or shape is None else self._context.at(shape)

    def _cost(self, node: Any, shape: AnyShape | None) -> tuple[Cost | None, str]:
        """Return the cost of a node, and why it has none."""
        site = self._site(shape)
        if site is None or not isinstance(node, Node) or node.open:
            return None, ""
        try:
            return site.cost(node), ""
        except BuildError as error:
            unknown = any(part.op.defined_in == "optnas.drawing.reading" for part in node.walk())
            return None, "" if unknown else str(error)

    def _with_cost(self, part: Any, node: Node, shape: AnyShape | None) -> Any:
        cost, _ = self._cost(node, shape)
        after = None if cost is None else cost.shape
        return dataclasses.replace(part, cost=cost, before=shape, after=after)

    def layer(self, node: Node, shape: AnyShape | None, *, block: bool = False) -> Layer:
        """Return the box of a node, for an input of a shape."""
        cost, error = self._cost(node, shape)
        return Layer(
            node=node,
            before=shape,
            after=None if cost is None else cost.shape,
            cost=cost,
            kind=kind_of(node),
            words=words_of(node),
            block=block,
            curves=curves_of(node),
            open=node.open,
            error=error,
        )

    def _options(self, hole: Choose) -> Part:
        options = tuple(self.one(option) for option in hole.options)
        return Options(node=hole, title=hole.word, options=options)

    def one(self, value: Any) -> Part:
        """Return the part of a value; of several, their chain."""
        chain = self.chain((value,), None)
        return chain.parts[0] if len(chain.parts) == 1 else chain

    def _loop(self, node: Node, shape: AnyShape | None) -> Part:
        body = self.chain(node.children, shape)
        shortcut = ""
        if node.op.name == "residual" and body.after is not None and body.after != shape:
            shortcut = "1×1"
        loop = Loop(node=node, body=body, sign="×" if node.op.name == "excite" else "+", shortcut=shortcut)
        return self._with_cost(loop, node, shape)  # type: ignore[no-any-return]

    def _merge(self, node: Node, shape: AnyShape | None) -> Part:
        paths = tuple(self.chain((child,), shape) for child in node.children)
        return self._with_cost(Branches(node=node, paths=paths, merge=_merge_name(node)), node, shape)  # type: ignore[no-any-return]

    def _branch(self, node: Node, shape: AnyShape | None) -> Part:
        merge = node.arguments["merge"]
        paths = tuple(self.chain((child,), shape) for child in node.children)
        part = Branches(node=node, paths=paths, merge=option_text(merge), open=is_open(merge))
        return self._with_cost(part, node, shape)  # type: ignore[no-any-return]

    def _named(self, node: Node, shape: AnyShape | None) -> Part:
        paths = {name: self.chain((branch,), shape) for name, branch in node.args}
        if node.op.name == "update":
            if isinstance(shape, Shapes):
                others = {name: each for name, each in shape.items() if name not in paths}
                paths |= {n: Chain(parts=(), before=each, after=each) for n, each in others.items()}
            else:
                paths["others"] = Chain(parts=())
        part = Branches(node=node, paths=tuple(paths.values()), merge=node.op.name, names=tuple(paths))
        return self._with_cost(part, node, shape)  # type: ignore[no-any-return]

    def _cell(self, node: Node, shape: AnyShape | None) -> Part:
        return self._with_cost(Cell(node=node, inner=shape), node, shape)  # type: ignore[no-any-return]

    def _stack(self, node: Node, shape: AnyShape | None) -> tuple[Part, ...]:
        site = self._site(shape)
        arguments = node.arguments
        if site is None or node.open:
            cells: list[tuple[Any, AnyShape | None, AnyShape | None, Cost | None, bool]] = [
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
        return tuple(
            Cell(
                node=cell,
                inner=inner,
                before=before,
                after=None if cost is None else cost.shape,
                cost=cost,
                title="reduction cell" if reduces else "normal cell",
            )
            for cell, inner, before, cost, reduces in cells
        )


def _merge_name(node: Node) -> str:
    """Return the name of a merge; of one that stands only within other ops, what it does."""
    return option_text(node.arguments["merge"]) if node.op.internal else node.op.name


def _is_block(value: Any) -> bool:
    """Return whether an argument is, or may be, more than an activation."""
    if not isinstance(value, Node | Hole):
        return False
    return any(isinstance(each, Node) and not is_activation(each) for each in outcomes(value))


def _is_several(tree: Node) -> bool:
    """Return whether a tree has more layers than fit the idea of one."""
    return len(tree.children) > 2 if tree.op.chain else bool(tree.children)
