"""Replaces constants of activations in an architecture by the values that a trained network learned."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from optnas.drawing.curves import is_activation
from optnas.ops.cell import CellModule, live_edges, state_shapes
from optnas.ops.cell_graph import graph_of
from optnas.ops.expressions import Expression
from optnas.ops.merging import Merging
from optnas.ops.modules import Applied, Gated, Merged, Residual
from optnas.ops.pointwise import Function, operands_of
from optnas.ops.several import Forked
from optnas.ops.stack import StackModule, reductions, steps
from optnas.space import BuildError, Node, Site

__all__ = ["learned_text", "with_learned"]


def learned_text(tree: Node, module: nn.Module, site: Site) -> str | None:
    """Return the text of an architecture with the constants that its activations learned, in four digits.

    ``None`` if none was learned; arguments as for :func:`with_learned`.
    """
    learned = with_learned(tree, module, site, digits=4)
    return None if learned == tree else str(learned)


def with_learned(tree: Node, module: nn.Module, site: Site, *, digits: int | None = None) -> Node:
    """Return an architecture with the learned constants of its activations in the place of the first ones.

    Blocks in which something was learned are opened. Where one activation of the text stands for several of
    the network, in the cells of a ``stack`` or in every channel of a ``prelu``, it has the mean of their
    constants. One that is no finite number is left as it was in the beginning.

    Args:
        tree: The architecture.
        module: The network that it built for ``site``.
        site: The input's shape and the context.
        digits: The number of significant digits of a constant; by default all.
    """
    if not any(map(_learns, module.modules())):
        return tree
    return _Reading(digits).read(tree, module, site)


@dataclasses.dataclass(frozen=True)
class _Reading:
    """Reader of learned constants, of trees with the modules that were built for them.

    Attributes:
        digits: The number of significant digits of a constant; ``None`` for all.
        opening: Whether blocks are opened; else an argument of a block has the mean of what it stands for.
    """

    digits: int | None
    opening: bool = True

    def read(self, tree: Node, module: nn.Module, site: Site) -> Node:
        if not any(map(_learns, module.modules())):
            return tree
        if tree.op.chain:
            return self._chain(tree, module, site)
        if tree.op.name == "residual" and isinstance(module, Residual):
            return self._chain(tree, module.body, site)
        if tree.op.name == "excite" and isinstance(module, Gated):
            return self._chain(tree, module.gate, site)
        if isinstance(tree.op, Merging) and isinstance(module, Merged):
            paths = zip(tree.children, module.branches, strict=True)
            children = tuple(self.read(path, each, site) for path, each in paths)
            return self._constants(Node(tree.op, tree.args, children), module.merging)
        if isinstance(module, Forked):
            branches = zip(tree.args, module.branches, strict=True)
            return Node(tree.op, tuple((name, self.read(b, each, site)) for (name, b), each in branches))
        if isinstance(module, CellModule):
            return self._cell(tree, module, site)
        if isinstance(module, StackModule):
            return self._stack(tree, module, site)
        if is_activation(tree):
            return self._activation(tree, module)
        opened = tree.op.stands_for(tree, site) if self.opening else None
        return self._parts(tree, module, site) if opened is None else self.read(opened, module, site)

    def _chain(self, tree: Node, module: nn.Module, site: Site) -> Node:
        modules = [module] if len(tree.children) == 1 else list(module.children())
        children = []
        for child, each in zip(tree.children, modules, strict=True):
            children.append(self.read(child, each, site))
            try:
                site = site.at(site.cost(child).shape)
            except BuildError:  # then the network is not of this tree
                return tree
        return Node(tree.op, tree.args, tuple(children))

    def _cell(self, tree: Node, module: CellModule, site: Site) -> Node:
        graph = graph_of(tree)
        shapes = state_shapes(graph, site)
        merges = dict(module.merges.items()) if "merges" in module._modules else {}
        nodes, shared = [], []
        for position, node in enumerate(tree.children):
            children = list(node.children)
            edges = graph.nodes[position]
            for place, each in zip(live_edges(graph, position), module.nodes[position], strict=True):  # type: ignore[call-overload]
                children[place] = self.read(children[place], each, site.at(shapes[edges[place][1]]))
            args = dict(node.args)
            if str(position) in merges:
                own = isinstance(args.get("merge"), Node)
                merge = args["merge"] if own else tree.arguments.get("merge")
                if isinstance(merge, Node):
                    learned = self._constants(merge, merges[str(position)])
                    if own:
                        args["merge"] = learned
                    else:
                        shared.append(learned)
            nodes.append(Node(node.op, tuple(args.items()), tuple(children)))
        merge_of_all = {"merge": self._mean(shared, tree.arguments["merge"])} if shared else {}
        return Node(tree.op, tuple({**dict(tree.args), **merge_of_all}.items()), tuple(nodes))

    def _stack(self, tree: Node, module: StackModule, site: Site) -> Node:
        """Return the stack with cells in which each constant is the mean over the cells of the network.

        Their blocks are not opened, as each would be of another width.
        """
        args = dict(tree.args)
        read: dict[str, list[Node]] = {"normal": [], "reduction": []}
        for reduces, step, built in zip(
            reductions(args["cells"]), steps(tree, site), module.steps, strict=True
        ):
            kind = "reduction" if reduces else "normal"
            cell: nn.Module = built[2]  # type: ignore[index]
            read[kind].append(self._closed.read(args[kind], cell, site.at(step.cell_shape)))
        args |= {kind: self._mean(cells, args[kind]) for kind, cells in read.items() if cells}
        return Node(tree.op, tuple(args.items()), tree.children)

    def _parts(self, tree: Node, module: nn.Module, site: Site) -> Node:
        """Return the tree of an op that is not known from within, read wherever it builds a part of itself.

        It is built once more, and where a part ended up there, it is in ``module``.
        """
        own = [*(value for _, value in tree.args if isinstance(value, Node)), *tree.children]
        if not own:
            return tree
        named = {f"|{place}": part for place, part in enumerate(own)}
        marked = _replaced(tree, [_marked(part, name) for name, part in named.items()])
        built: list[tuple[str, Site, nn.Module]] = []

        def watch(node: Node, at: Site) -> Callable[[nn.Module], None]:
            if node.name not in named:
                return lambda made: None
            name = node.name
            return lambda made: built.append((name, at, made))

        with torch.random.fork_rng(devices=[]):
            again = dataclasses.replace(site, watch=watch).build(marked)
        names = {id(part): name for name, part in again.named_modules()}
        places = dict(module.named_modules())
        found: dict[str, list[tuple[nn.Module, Site]]] = {name: [] for name in named}
        for name, at, made in built:
            if id(made) in names and names[id(made)] in places:
                plain = dataclasses.replace(at, watch=None)
                found[name].append((places[names[id(made)]], plain))
        return _replaced(tree, [self._part(part, found[name]) for name, part in named.items()])

    def _part(self, part: Node, built: list[tuple[nn.Module, Site]]) -> Node:
        """Return a part of an op, read from all modules that were built for it."""
        if len(built) == 1:
            return self.read(part, *built[0])
        return self._mean([self._closed.read(part, *each) for each in built], part)

    @property
    def _closed(self) -> _Reading:
        """A reader of what a mean is computed of: no block is opened, as each may be of another width."""
        return _Reading(None, opening=False)

    def _mean(self, trees: Sequence[Node], part: Node) -> Node:
        """Return a tree with the mean of each constant in trees that were read for ``part`` unopened."""
        if not trees:
            return part
        mean: Node = _mean(trees)
        return mean if self.digits is None else _rounded(mean, part, self.digits)

    def _activation(self, tree: Node, module: nn.Module) -> Node:
        if tree.op.name == "act" and isinstance(module, Expression):
            return Node(tree.op, (("of", self._expression(tree.arguments["of"], iter(module.steps))),))
        return self._constants(tree, module)

    def _expression(self, tree: Node, steps: Iterator[Any]) -> Node:
        """Return a function with learned constants; the steps are those of its operands, then its own."""
        if not isinstance(tree.op, Function):
            return self._activation(tree, next(steps))
        operands = iter([self._expression(operand, steps) for operand in operands_of(tree)])
        args = tuple((name, next(operands) if name == "of" else value) for name, value in tree.args)
        return self._constants(Node(tree.op, args, tuple(operands)), next(steps))

    def _constants(self, tree: Node, module: nn.Module) -> Node:
        found: dict[str, float] = {}
        if isinstance(module, nn.PReLU):
            found = {"slope": float(module.weight.detach().mean())}
        elif isinstance(module, Applied):
            found = {name: float(value.detach()) for name, value in module.learned.items()}
        # What a training lost to NaN or infinity cannot stand in a text.
        found = {name: value for name, value in found.items() if math.isfinite(value)}
        if self.digits is not None:
            found = {name: _short(value, self.digits) for name, value in found.items()}
        args = tuple((name, found.get(name, value)) for name, value in tree.args)
        return Node(tree.op, args, tree.children)


def _learns(module: nn.Module) -> bool:
    return isinstance(module, nn.PReLU) or (isinstance(module, Applied) and len(module.learned) > 0)


def _marked(part: Node, name: str) -> Node:
    return Node(part.op, part.args, part.children, name)


def _replaced(tree: Node, parts: Sequence[Node]) -> Node:
    """Return a node with other nodes in the place of its arguments that are nodes, and of its children."""
    waiting = iter(parts)
    args = tuple((name, next(waiting) if isinstance(value, Node) else value) for name, value in tree.args)
    return Node(tree.op, args, tuple(waiting), tree.name)


def _mean(values: Sequence[Any]) -> Any:
    """Return the tree whose numbers are the means of those of trees that differ in nothing else."""
    first = values[0]
    if isinstance(first, Node):
        args = tuple(
            (name, _mean([value.args[place][1] for value in values]))
            for place, (name, _) in enumerate(first.args)
        )
        children = tuple(map(_mean, zip(*(value.children for value in values), strict=True)))
        return Node(first.op, args, children, first.name)
    return first if all(value == first for value in values) else statistics.fmean(values)


def _rounded(value: Any, before: Any, digits: int) -> Any:
    """Return a tree in which the numbers that are others than before have few digits."""
    if isinstance(value, Node):
        args = tuple(
            (name, _rounded(each, old, digits))
            for (name, each), (_, old) in zip(value.args, before.args, strict=True)
        )
        pairs = zip(value.children, before.children, strict=True)
        return Node(value.op, args, tuple(_rounded(*pair, digits) for pair in pairs), value.name)
    return value if value == before else _short(value, digits)


def _short(number: float, digits: int) -> float:
    return float(f"{number:.{digits}g}")
