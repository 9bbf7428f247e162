"""What a drawing shows of a tree: its layers with their shapes and costs, and how data flows between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from optnas.cost import Cost
from optnas.drawing.curves import Curve
from optnas.space import Shape

__all__ = ["Branches", "Chain", "Frame", "Graph", "Layer", "Loop", "Options", "Part", "folded"]


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
    before: Shape | None = None
    after: Shape | None = None
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
        """What is equal for parts that are drawn alike."""
        return (type(self), self.node, self.before, self.after)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer(Part):
    """A box.

    Attributes:
        kind: A key of :data:`~optnas.drawing.theme.KINDS`.
        words: What is written in it, the most important first.
        curves: The curve of an activation, or of some that it may be.
        open: Whether something in it is left open.
        error: Why it cannot be built; ``""`` if it can.
    """

    kind: str
    words: tuple[str, ...]
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
    """Chains side by side on one input, and the name of their merge."""

    paths: tuple[Chain, ...]
    merge: str
    open: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Graph(Part):
    """A cell: states, and the ops that each is the sum of.

    Attributes:
        title: What is written above it.
        inputs: The names of its input states.
        rows: For each further state its ops, with the state that each is applied to; ``None`` if open.
        outputs: The states that it outputs, side by side.
        notes: Lines to write below it.
    """

    title: str
    inputs: tuple[str, ...]
    rows: tuple[tuple[tuple[Part, int | None], ...], ...]
    outputs: tuple[int, ...]
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(Part):
    """An open choice between parts."""

    title: str
    options: tuple[Part, ...]


# The longest pattern of layers that is looked for.
_LONGEST = 12


def folded(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the parts with equal ones in a row, or equal runs of several, made one that says how often."""
    found: list[Part] = []
    names = [part.same for part in parts]
    at = 0
    while at < len(parts):
        length, times = _best_run(names, at)
        if times == 1:
            found.append(parts[at])
        elif length == 1:
            found.append(dataclasses.replace(parts[at], times=times))
        else:
            run = folded(parts[at : at + length])
            cost = _sum(parts[at : at + length])
            body = Chain(parts=run, before=parts[at].before, after=parts[at + length - 1].after)
            found.append(
                Frame(title="", body=body, times=times, cost=cost, before=body.before, after=body.after)
            )
        at += length * times
    return tuple(found)


def _best_run(names: Sequence[Any], at: int) -> tuple[int, int]:
    """Return the length of the pattern at a position that saves the most, and how often it stands there."""
    best, saved = (1, 1), 0
    for length in range(1, min(_LONGEST, (len(names) - at) // 2) + 1):
        pattern = names[at : at + length]
        times = 1
        while names[at + times * length : at + (times + 1) * length] == pattern:
            times += 1
        if (times - 1) * length > saved:
            best, saved = (length, times), (times - 1) * length
    return best


def _sum(parts: Sequence[Part]) -> Cost | None:
    if any(part.cost is None for part in parts):
        return None
    total: Cost | None = None
    for part in parts:
        for _ in range(part.times):
            total = part.cost if total is None else total.then(part.cost)  # type: ignore[arg-type]
    return total
