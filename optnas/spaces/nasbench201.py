"""NAS-Bench-201 search space: all cells of four states and five ops (Dong & Yang 2020, arXiv 2001.00326)."""

from __future__ import annotations

from optnas.errors import nearest
from optnas.ops.activations import relu
from optnas.ops.blocks import relu_conv_bn
from optnas.ops.cell import cell, node
from optnas.ops.cell_graph import graph_of
from optnas.ops.containers import seq
from optnas.ops.conv import conv
from optnas.ops.define import op
from optnas.ops.linear import head
from optnas.ops.merges import add
from optnas.ops.norm import norm
from optnas.ops.pool import avgpool
from optnas.ops.skip import none, skip
from optnas.space import Node, SpaceError, Spelling, choose, register_spelling

__all__ = ["OPS", "nasbench201", "nasbench201_network"]

OPS = {
    "none": none(),
    "skip_connect": skip(),
    "nor_conv_1x1": relu_conv_bn(1),
    "nor_conv_3x3": relu_conv_bn(3),
    "avg_pool_3x3": avgpool(3, stride=1),
}
"""The five ops of the benchmark by their names in it."""


def nasbench201(width: int = 16, cells: int = 5) -> Node:
    """Return the search space of 15,625 networks, each with one cell repeated in three stages.

    Args:
        width: Channels of the first stage, doubled in each further stage.
        cells: Number of cells of a stage.

    >>> from optnas import spaces
    >>> space = spaces.nasbench201()
    >>> space.size(), list(space.distributions())[:2]
    (15625, ['edge0to1', 'edge0to2'])
    """
    edges = [
        [choose(*OPS.values(), name=f"edge{source}to{state}") for source in range(state)]
        for state in (1, 2, 3)
    ]
    return nasbench201_network(cell(*(node(*ops) for ops in edges)), width=width, cells=cells)


def _shrink(width: int) -> Node:
    """Return the block between stages, which halves the image and outputs ``width`` channels."""
    body = seq(relu_conv_bn(3, width=width, stride=2), relu_conv_bn(3))
    # The benchmark's shortcut is average pooling and a convolution without a norm.
    return add(body, seq(avgpool(2), conv(width, kernel=1)))


def _recognises(text: str) -> bool:
    return text.lstrip().startswith("|")


def _read(text: str) -> Node:
    """Return the network with the cell written as a string like ``|a~0|+|b~0|c~1|+|d~0|e~1|f~2|``."""
    nodes = []
    for state, part in enumerate(text.strip().split("+"), start=1):
        inner = part.strip()
        if len(inner) < 3 or not (inner.startswith("|") and inner.endswith("|")):
            raise SpaceError(f"{_shorten(part)}: a node of a NAS-Bench-201 string is written |op~0|op~1|")
        edges = [edge.rpartition("~") for edge in inner[1:-1].split("|")]
        if [source for _, _, source in edges] != [str(source) for source in range(state)]:
            raise SpaceError(f"{_shorten(part)}: node {state} takes the states 0 to {state - 1} in order")
        for name, _, _ in edges:
            if name not in OPS:
                raise SpaceError(f"NAS-Bench-201 has no op {_shorten(name)}: {nearest(name, OPS)}")
        nodes.append(node(*(OPS[name] for name, _, _ in edges)))
    return nasbench201_network(cell(*nodes))


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


def _write(architecture: Node) -> str:
    cells = {part for part in architecture.walk() if part.op.name == cell.name}
    if len(cells) != 1:
        raise SpaceError(f"NAS-Bench-201 writes one cell, and there are {len(cells)} in {architecture}")
    try:
        graph = graph_of(cells.pop())
    except ValueError as error:
        raise SpaceError(f"{architecture} has no NAS-Bench-201 string: {error}") from None
    names = {written: name for name, written in OPS.items()}
    nodes = []
    for state, edges in enumerate(graph.nodes, start=1):
        strange = [edge for edge, _ in edges if edge not in names]
        if (
            graph.inputs != 1
            or graph.concat
            or graph.merges
            or strange
            or [s for _, s in edges] != list(range(state))
        ):
            raise SpaceError(
                f"{architecture} has no NAS-Bench-201 string: each node sums one of {', '.join(OPS)}"
                " on every state before it, in order"
            )
        nodes.append("|" + "".join(f"{names[edge]}~{source}|" for edge, source in edges))
    return "+".join(nodes)


register_spelling(Spelling("nasbench201", _recognises, _read, _write))


@op
def nasbench201_network(cell: Node, width: int = 16, cells: int = 5) -> Node:
    """Apply the benchmark's network with this cell, which is repeated in three stages.

    Args:
        cell: The cell to repeat.
        width: Channels of the first stage, doubled in each further stage.
        cells: Number of cells of a stage.
    """
    stages: list[Node] = []
    for index in range(3):
        stages += [_shrink(width * 2**index)] if index else []
        stages += [cell] * cells
    return seq(conv(width), norm(), *stages, norm(), relu(), head())
