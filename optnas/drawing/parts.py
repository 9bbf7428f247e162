"""Data classes for the parts of a drawn network: layers, chains, branches, residuals, repeats and cells."""

from __future__ import annotations

import dataclasses
from typing import Any

from optnas.cost import Cost
from optnas.drawing.curves import Curve
from optnas.space.shapes import AnyShape

__all__ = ["Branches", "Cell", "Chain", "Frame", "Graph", "Layer", "Loop", "Options", "Part"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a network.

    Attributes:
        node: The node, or hole, that it shows.
        before: The shape of its input; ``None`` if unknown.
        after: The shape of its output; ``None`` if unknown.
        cost: Its cost; ``None`` if unknown.
        times: How often it stands in a row.
    """

    node: Any = None
    before: AnyShape | None = None
    after: AnyShape | None = None
    cost: Cost | None = None
    times: int = 1

    @property
    def flops(self) -> int:
        """FLOPs of all its copies."""
        return 0 if self.cost is None else self.cost.flops * self.times

    @property
    def params(self) -> int:
        """Parameters of all its copies."""
        return 0 if self.cost is None else self.cost.params * self.times

    @property
    def same(self) -> Any:
        """Key by which neighbours are folded into one: equal for parts that are drawn alike."""
        return (type(self), self.node, self.before, self.after)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer(Part):
    """A box.

    Attributes:
        kind: A key of :data:`~optnas.drawing.theme.KINDS`.
        words: What is written in it, the most important first.
        block: Whether it stands for several layers.
        curves: The curve of an activation, or of some that it may be.
        open: Whether something in it is left open.
        error: Why it cannot be built; ``""`` if it can.
    """

    kind: str
    words: tuple[str, ...]
    block: bool = False
    curves: tuple[Curve, ...] = ()
    open: bool = False
    error: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chain(Part):
    """Parts one after the other."""

    parts: tuple[Part, ...]

    @property
    def same(self) -> Any:
        return (Chain, tuple(part.same for part in self.parts))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frame(Part):
    """A chain with a frame around it and a title: copies, an opened block or an open repeat."""

    title: str
    body: Chain
    open: bool = False

    @property
    def same(self) -> Any:
        return (Frame, self.title, self.body.same)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loop(Part):
    """A chain, and an arc around it to a sum or product with its input.

    Attributes:
        sign: ``+`` or ``×``.
        shortcut: What stands on the arc; ``""`` for the input itself.
    """

    body: Chain
    sign: str
    shortcut: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Branches(Part):
    """Chains side by side on one input, and the name of their merge, or a name for each.

    Attributes:
        paths: The chains.
        merge: The name of what merges them; of named ones what names them.
        open: Whether the merge is open.
        names: The name of each chain's output; empty if they are merged.
        begins: Whether they are the first in the network, where each begins at an input of its own.
        ends: Whether they are the last in it: their outputs are the network's.
    """

    paths: tuple[Chain, ...]
    merge: str
    open: bool = False
    names: tuple[str, ...] = ()
    begins: bool = False
    ends: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell(Part):
    """A cell that is not yet opened.

    Attributes:
        inner: The shape of its states.
        title: What it is called in a stack, whose cells take the outputs of the two before them.
    """

    inner: AnyShape | None = None
    title: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Graph(Part):
    """A cell: states, and the ops that each is the sum of.

    Attributes:
        title: What is written above it.
        inputs: The names of its input states.
        rows: For each further state its ops, with the state that each is applied to; ``None`` if open.
        outputs: The states that it outputs, side by side.
        apart: The input states that do not come from the layer before.
        notes: Lines to write below it.
        merges: For each further state the name of its merge, "" for the sum; empty if all are sums.
        options: What each of its open ops may be, where that is the same for all.
    """

    title: str
    inputs: tuple[str, ...]
    rows: tuple[tuple[tuple[Part, int | None], ...], ...]
    outputs: tuple[int, ...]
    apart: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    merges: tuple[str, ...] = ()
    options: Options | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(Part):
    """An open choice between parts."""

    title: str
    options: tuple[Part, ...]
