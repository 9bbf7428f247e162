"""Formats an architecture as plain text, one line a layer, with shapes and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optnas.reports.numbers import readable, short
from optnas.space import SpaceError
from optnas.space.shapes import AnyShape, shape_text

__all__ = ["layer_lines"]

_BAR = 8
_NARROWEST = 20


def layer_lines(
    text: str, shape: AnyShape | None, context: Mapping[str, Any], width: int
) -> list[str] | None:
    """Return a recorded architecture as lines: a layer each, with its output, parameters and FLOPs.

    Args:
        text: The architecture's text.
        shape: The shape of one input, or those of several by name; ``None`` if unknown.
        context: Values that ops take from the task.
        width: The most characters of a line.

    Returns:
        ``None`` if it has no such table: the shape is unknown, or the text is no architecture.
    """
    if shape is None:
        return None
    # Reading knows all ops, and with them PyTorch, which most commands do without.
    from optnas.drawing.reading import read

    try:
        found = read(text).table(shape, **context)
    except (SpaceError, TypeError):
        return None
    rows = [_cells(row) for row in (*found.rows, found.total)]
    sizes = [max(len(row[i]) for row in (_HEAD, *rows)) for i in range(len(_HEAD))]
    sizes[0] = min(sizes[0], max(_NARROWEST, width - sum(sizes[1:]) - 2 * len(sizes)))
    return [_line(row, sizes) for row in (_HEAD, *rows)]


_HEAD = ("layer", "output", "params", "FLOPs", "")


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    times = f" ×{row['times']}" if row["times"] > 1 else ""
    shape = "–" if row["shape"] is None else shape_text(row["shape"])
    share = row["share"]
    bar = "" if share is None else "█" * round(_BAR * share)
    name = "  " * row["level"] + readable(row["layer"]) + times
    return name, shape, short(row["params"]), short(row["flops"]), bar


def _line(cells: Sequence[str], sizes: Sequence[int]) -> str:
    name, shape, *numbers, bar = cells
    name = name if len(name) <= sizes[0] else f"{name[: sizes[0] - 1]}…"
    told = [
        name.ljust(sizes[0]),
        shape.ljust(sizes[1]),
        *(n.rjust(s) for n, s in zip(numbers, sizes[2:], strict=False)),
    ]
    return "  ".join([*told, bar]).rstrip()
