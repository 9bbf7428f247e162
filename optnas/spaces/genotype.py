"""Notation of DARTS for its cells: ``Genotype(normal=[('sep_conv_3x3', 0), …], …)``.

Other ops than those of DARTS stand in it by their texts, and other sizes as ``width=36, cells=20``.
"""

from __future__ import annotations

import ast
from inspect import signature
from typing import Any

from optnas.errors import nearest
from optnas.ops.cell import cell, node
from optnas.ops.cell_graph import Graph, graph_of
from optnas.ops.stack import stack
from optnas.space import Node, SpaceError, Spelling, register_spelling
from optnas.space.parse import parse_tree
from optnas.spaces.darts import OPS, darts_network

__all__ = ["read", "write"]

_CELLS = ("normal", "reduce")
_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
_SIZES = ("width", "cells")
# Far more states than any cell has; the limit keeps range(…) from filling the memory.
_MOST_STATES = 1_000


def _recognises(text: str) -> bool:
    return text.lstrip().startswith("Genotype")


def read(text: str) -> Node:
    """Return the network of :func:`~optnas.spaces.darts.darts` with the cells of a genotype.

    Its ``width`` and number of ``cells`` are those of that function unless the text says otherwise. The
    edges of a node are sorted by their inputs, as in that space.

    Raises:
        SpaceError: If ``text`` is not a genotype, or has an unknown op.
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise SpaceError("not a genotype: write Genotype(normal=[('sep_conv_3x3', 0), …], …)") from None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Genotype"):
        raise SpaceError("not a genotype: write Genotype(normal=[('sep_conv_3x3', 0), …], …)")
    given: dict[str, ast.expr] = dict(zip(_FIELDS, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    sizes = {name: _literal(given.pop(name)) for name in _SIZES if name in given}
    if set(given) != set(_FIELDS) or len(call.args) + len(call.keywords) != len(_FIELDS) + len(sizes):
        raise SpaceError(
            f"a genotype has {', '.join(_FIELDS)}, each once, and perhaps {' and '.join(_SIZES)}"
        )
    if not all(isinstance(size, int) and size > 0 for size in sizes.values()):
        raise SpaceError("width and cells of a genotype are whole numbers of at least 1")
    normal, reduction = (
        _cell(_literal(given[name]), _literal(given[f"{name}_concat"]), name) for name in _CELLS
    )
    return darts_network(normal, reduction, **sizes)


def _literal(part: ast.expr, depth: int = 0) -> Any:
    """Return the value of a literal: a string, a whole number, a list of them, or a ``range``."""
    match part:
        case ast.Constant(value=str() | int() as constant) if not isinstance(constant, bool):
            return constant
        case ast.List(elts=items) | ast.Tuple(elts=items) if depth < 3:
            return [_literal(item, depth + 1) for item in items]
        case ast.Call(func=ast.Name(id="range"), args=[*bounds], keywords=[]) if 1 <= len(bounds) <= 2:
            numbers = [_literal(bound, depth + 1) for bound in bounds]
            if all(isinstance(number, int) and 0 <= number <= _MOST_STATES for number in numbers):
                return list(range(*numbers))
        case ast.Call(func=ast.Name(id="list" | "tuple"), args=[items], keywords=[]) if depth < 3:
            return _literal(items, depth + 1)
    raise SpaceError("a genotype consists of lists of ('op', state), and lists or ranges of states")


def _cell(edges: Any, concat: Any, name: str) -> Node:
    if not (isinstance(edges, list) and edges and len(edges) % 2 == 0 and all(map(_is_edge, edges))):
        raise SpaceError(f"{name} of a genotype is a list of ('op', state), two for each node")
    nodes = []
    for first, second in zip(edges[::2], edges[1::2], strict=True):
        pair = sorted((first, second), key=lambda edge: int(edge[1]))
        nodes.append(node(*(_op(op) for op, _ in pair), inputs=tuple(source for _, source in pair)))
    if not (isinstance(concat, list) and all(isinstance(state, int) for state in concat)):
        raise SpaceError(f"{name}_concat of a genotype is a list of states")
    made = cell(*nodes, inputs=2, concat=tuple(concat))
    try:
        graph_of(made)
    except ValueError as error:
        raise SpaceError(f"{name} of a genotype: {error}") from None
    return made


def _op(name: str) -> Node:
    """Return the op that DARTS calls so, or whose text this is."""
    if name in OPS:
        return OPS[name]
    try:
        return parse_tree(name)
    except SpaceError as error:
        hint = nearest(name, OPS)
        raise SpaceError(
            f"DARTS has no op {name[:60]!r}, and no other is written so: {hint} ({error})"
        ) from None


def _is_edge(edge: Any) -> bool:
    return isinstance(edge, list) and len(edge) == 2 and isinstance(edge[0], str) and isinstance(edge[1], int)


def write(architecture: Node) -> str:
    """Return the genotype of the two cells that ``architecture`` stacks, with its sizes unless usual.

    What stands before and behind the stack is no part of a genotype.

    Raises:
        SpaceError: If it does not have exactly one stack, or its cells have no genotype.
    """
    stacks = {part for part in architecture.walk() if part.op.name == stack.name}
    if len(stacks) != 1:
        raise SpaceError(f"a genotype is that of one stack of cells, and there are {len(stacks)}")
    arguments = stacks.pop().arguments
    fields = []
    for name, argument in zip(_CELLS, ("normal", "reduction"), strict=True):
        try:
            graph = graph_of(arguments[argument])
        except (ValueError, KeyError) as error:
            raise SpaceError(f"the {argument} cell has no genotype: {error}") from None
        fields += [f"{name}={_edges(graph)!r}", f"{name}_concat={list(graph.outputs)!r}"]
    usual = signature(darts_network).parameters
    fields += [f"{name}={arguments[name]}" for name in _SIZES if arguments[name] != usual[name].default]
    return f"Genotype({', '.join(fields)})"


def _edges(graph: Graph) -> list[tuple[str, int]]:
    names = {written: name for name, written in OPS.items()}
    edges = [edge for edges in graph.nodes for edge in edges]
    if graph.inputs != 2 or any(len(edges) != 2 for edges in graph.nodes):
        raise SpaceError("a genotype has cells of two inputs, and nodes of two ops each")
    if graph.merges:
        raise SpaceError("a genotype has nodes that sum their ops, and here some have another merge")
    return [(names.get(op, str(op)), source) for op, source in edges]


register_spelling(Spelling("darts", _recognises, read, write))
