"""Canonical form of a cell: equal for cells that are the same graph of functions.

Every state is a sum of *terms*: inputs, and ops applied to other sums. A skip copies the terms of one
state to another, an op that outputs zeros gives no term, and states that no output depends on are
ignored. The result is a graph of terms and sums. Terms of ops with weights stay separate even if they
are equal, because two convolutions learn different weights, while one convolution used twice does
not. Equal terms without weights are merged. A node with another merge than the sum is a term, too: the merge
of several sums.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from optnas.ops.cell_graph import Graph
from optnas.ops.containers import seq
from optnas.ops.linear import identity
from optnas.ops.merges import add, concat, is_zero
from optnas.ops.pointwise import Function
from optnas.ops.skip import none
from optnas.space import Node
from optnas.space.key import canonical
from optnas.space.values import text_of

__all__ = ["canonical_cell"]

_WEIGHTLESS = {"avgpool", "maxpool", "adaptive_avgpool", "adaptive_maxpool"}

# Larger trees are written as a cell, which needs a few nodes for the parts that a tree repeats.
_LARGEST_TREE = 1_000

Make = Callable[..., Node]

# A sum: pairs of a term's number and how often the term occurs in it.
_Sum = tuple[tuple[int, int], ...]


@dataclasses.dataclass
class _Term:
    """An op applied to a sum, a merge of sums, or an input of the cell.

    Attributes:
        op: The op in its canonical form, a merge without its branches; ``None`` for an input.
        of: The sum that the op is applied to, those that a merge combines; none for an input.
        text: Text of the op, without the sums that it is applied to.
        merges: Whether it is a merge.
        colour: Class of the term in the graph; the same however the cell is written.
    """

    op: Node | None
    of: tuple[_Sum, ...]
    text: str
    merges: bool = False
    colour: int = 0

    @property
    def ordered(self) -> bool:
        """Whether the order of its sums makes a difference."""
        return self.merges and self.op is not None and not self.op.op.commutative


def canonical_cell(graph: Graph, cell: Make, node: Make) -> Node | None:
    """Return the simplest tree that computes the same as ``graph``; ``None`` for the identity.

    Args:
        graph: The graph of a cell.
        cell, node: Functions that make a cell from nodes, and a node from ops.
    """
    terms, outputs = _terms(graph)
    _colour(terms, outputs)
    uses = _uses(terms, outputs)
    size = sum(_size(terms, each, {}) for each in outputs)
    if graph.inputs > 1 or _shares_weights(terms, uses, outputs) or size > _LARGEST_TREE:
        return _Cell(terms, uses, graph.inputs, cell, node).written(outputs, graph.concat is not None)
    sums = [_tree(terms, each) for each in outputs]
    return concat(*(each or identity() for each in sums)) if len(sums) > 1 else sums[0]


def _terms(graph: Graph) -> tuple[list[_Term], list[_Sum]]:
    """Return all terms of the graph, and the sums of its outputs."""
    terms = [_Term(None, (), f"input{number}") for number in range(graph.inputs)]
    states: list[_Sum] = [((number, 1),) for number in range(graph.inputs)]
    known: dict[tuple[str, tuple[_Sum, ...]], int] = {}

    def term(op: Node, of: tuple[_Sum, ...], merges: bool = False) -> int:
        text = text_of(op)
        number = known.get((text, of)) if _weightless(op) else None
        if number is None:
            number = len(terms)
            terms.append(_Term(op, of, text, merges))
            known[text, of] = number
        return number

    for position, edges in enumerate(graph.nodes):
        operands: list[_Sum] = []
        for written, source in edges:
            op, of = canonical(written), states[source]
            if op is None:
                operands.append(of)
            elif is_zero(op) or (_keeps_zero(op) and not of):
                operands.append(())
            else:
                operands.append(((term(op, (of,)), 1),))
        merge = graph.merge(position)
        if merge is None:
            total: Counter[int] = Counter()
            for operand in operands:
                total.update(dict(operand))
            states.append(tuple(sorted(total.items())))
        else:
            simplest = canonical(merge) or merge
            operands = sorted(operands) if merge.op.commutative else operands
            states.append(((term(simplest, tuple(operands), merges=True), 1),))
    return terms, [states[state] for state in graph.outputs]


def _weightless(op: Node) -> bool:
    return op.op.name in _WEIGHTLESS or (isinstance(op.op, Function) and not op.arguments.get("learnable"))


def _shares_weights(terms: list[_Term], uses: Counter[int], outputs: list[_Sum]) -> bool:
    """Return whether any weights are used more than once; a tree would duplicate them."""
    learned: set[int] = set()
    for number, term in enumerate(terms):
        if term.op is not None and (
            not _weightless(term.op) or any(operand in learned for of in term.of for operand, _ in of)
        ):
            learned.add(number)
    times: Counter[_Sum] = Counter(outputs)
    times.update(each for number in uses for each in terms[number].of)
    return any(uses[number] > 1 for number in learned) or any(
        count > 1 and any(number in learned for number, _ in each) for each, count in times.items()
    )


def _size(terms: list[_Term], of: _Sum, known: dict[_Sum, int]) -> int:
    """Return the number of nodes of a sum written as a tree, in which shared parts are repeated."""
    if of not in known:
        below = (times * _size(terms, each, known) for number, times in of for each in terms[number].of)
        # An input has nothing below it, and counts as one.
        known[of] = 1 + sum(below) + sum(times for number, times in of if not terms[number].of)
    return known[of]


def _keeps_zero(op: Node) -> bool:
    """Return whether ``op`` maps zeros to zeros. A norm does not: it learns a shift."""
    if op.op.chain:
        return all(map(_keeps_zero, op.children))
    return op.op.name in _KEEP_ZERO and not op.arguments.get("bias")


_KEEP_ZERO = _WEIGHTLESS | {"conv", "depthwise", "offset_convs", "relu", "swish", "gelu", "tanh"}


def _needed(terms: list[_Term], sums: Iterable[_Sum]) -> Iterator[_Sum]:
    """Yield ``sums`` and all other sums that they depend on, each once."""
    seen: set[_Sum] = set()
    pending = list(sums)
    while pending:
        each = pending.pop()
        if each not in seen:
            seen.add(each)
            yield each
            pending += [below for number, _ in each for below in terms[number].of]


def _uses(terms: list[_Term], outputs: list[_Sum]) -> Counter[int]:
    """Return how often each term occurs in the sums that ``outputs`` depend on."""
    uses: Counter[int] = Counter()
    for each in _needed(terms, outputs):
        uses.update(dict(each))
    return uses


def _colour(terms: list[_Term], outputs: list[_Sum]) -> None:
    """Set the colours of terms by colour refinement of the graph (Weisfeiler & Leman 1968).

    Colours distinguish terms by their text and their use. In cells of any sensible size, two
    terms of one colour are mapped to each other by a symmetry of the graph: then their order makes no
    difference to the text.
    """
    needed = list(_needed(terms, outputs))
    live = sorted({number for each in needed for number, _ in each})
    users: dict[int, list[tuple[int, ...]]] = {number: [] for number in live}
    for number in live:
        for place, of in enumerate(terms[number].of):
            # Of an ordered merge it matters which of its sums a term is in.
            where = (place,) if terms[number].ordered else ()
            for operand, times in of:
                users[operand].append((number, times, *where))
    leaving = {
        number: [
            (position, times) for position, each in enumerate(outputs) for n, times in each if n == number
        ]
        for number in live
    }
    signs: dict[int, Any] = {number: (terms[number].text, leaving[number]) for number in live}
    classes = 0
    while True:
        ranks = {sign: rank for rank, sign in enumerate(sorted(set(map(repr, signs.values()))))}
        for number in live:
            terms[number].colour = ranks[repr(signs[number])]
        if len(ranks) == classes:
            return
        classes = len(ranks)
        signs = {
            number: (
                terms[number].colour,
                _operand_colours(terms, terms[number]),
                sorted((terms[n].colour, *how) for n, *how in users[number]),
            )
            for number in live
        }


def _sum_colours(terms: list[_Term], of: _Sum) -> list[tuple[int, int]]:
    return sorted((terms[n].colour, times) for n, times in of)


def _operand_colours(terms: list[_Term], term: _Term) -> list[Any]:
    """Return the colours in the sums that a term is applied to; those of a merge in a list each."""
    if not term.merges:
        return _sum_colours(terms, term.of[0]) if term.of else []
    each = [_sum_colours(terms, of) for of in term.of]
    return each if term.ordered else sorted(each)


def _tree(terms: list[_Term], of: _Sum) -> Node | None:
    """Return a sum as a tree of chains and merges; ``None`` for the identity."""
    branches: list[Node] = []
    for number, times in of:
        term = terms[number]
        op = term.op or identity()
        if term.merges:
            op = Node(op.op, op.args, tuple(_tree(terms, each) or identity() for each in term.of))
        before = _tree(terms, term.of[0]) if term.op is not None and not term.merges else None
        branches += [seq(before, op) if before is not None else op] * times
    if not branches:
        return none()
    tree = add(*branches) if len(branches) > 1 else branches[0]
    return canonical(tree)


class _Cell:
    """Writer of the graph as a cell: sums, merges and terms used more than once become nodes."""

    def __init__(self, terms: list[_Term], uses: Counter[int], inputs: int, cell: Make, node: Make) -> None:
        self.cell = cell
        self.node = node
        self.terms = terms
        self.uses = uses
        self.inputs = inputs
        self.nodes: list[Node] = []
        self.states: dict[_Sum, int] = {((number, 1),): number for number in range(inputs)}
        self.operands: Counter[_Sum] = Counter(each for number in uses for each in terms[number].of)

    def written(self, outputs: list[_Sum], side_by_side: bool) -> Node | None:
        """Return the cell with these outputs, concatenated if ``side_by_side``."""
        self.operands.update(outputs)
        states = [self.state(each) for each in outputs]
        if side_by_side:
            return self.cell(*self.nodes, inputs=self.inputs, concat=tuple(states))
        if states[0] != self.inputs + len(self.nodes) - 1 or not self.nodes:
            self._append([(identity(), states[0])])
        return self.cell(*self.nodes, inputs=self.inputs)

    def state(self, of: _Sum) -> int:
        """Return the number of the state that holds a sum, adding a node if there is none."""
        if of not in self.states and len(of) == 1 and of[0][1] == 1 and self.terms[of[0][0]].merges:
            self.states[of] = self._merge(self.terms[of[0][0]])
        if of not in self.states:
            edges: list[tuple[Node, int]] = []
            for number, times in sorted(of, key=self._order):
                term = self.terms[number]
                alone = ((number, 1),)
                plain = term.op is not None and not term.merges
                if plain and term.op is not None and (self.uses[number] == 1 or of == alone):
                    edges.append((term.op, self.state(term.of[0])))
                else:
                    edges += [(identity(), self.state(alone))] * times
            self.states[of] = self._append(edges or [(none(), 0)])
        return self.states[of]

    def _order(self, occurrence: tuple[int, int]) -> tuple[int, int, int]:
        number, times = occurrence
        # Among terms of one colour, those written first come first.
        return self.terms[number].colour, self.states.get(((number, 1),), len(self.states)), times

    def _merge(self, term: _Term) -> int:
        """Add a node of a merge, and return its state."""
        operands = list(term.of)
        if not term.ordered:
            operands.sort(key=lambda each: (_sum_colours(self.terms, each), self.states.get(each, -1)))
        return self._append([self._edge(each) for each in operands], merge=term.op)

    def _edge(self, of: _Sum) -> tuple[Node, int]:
        """Return the op, and the state that it is applied to, which make an operand of a merge."""
        if not of:
            return none(), 0
        (number, times), *others = of
        term = self.terms[number]
        alone = not others and times == 1 and self.operands[of] == 1 and self.uses[number] == 1
        if alone and term.op is not None and not term.merges:
            return term.op, self.state(term.of[0])
        return identity(), self.state(of)

    def _append(self, edges: list[tuple[Node, int]], merge: Node | None = None) -> int:
        ops, sources = zip(*edges, strict=True)
        given = None if sources == tuple(range(len(sources))) else sources
        self.nodes.append(self.node(*ops, inputs=given, merge=merge))
        return self.inputs + len(self.nodes) - 1
