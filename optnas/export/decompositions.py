"""Adaptive pooling as slices, for exporters that have no translation of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["without_adaptive_pooling"]


def _by_windows(x: Tensor, sizes: Sequence[int], reduced: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Return adaptive pooling of (…, *sides) to (…, *sizes), one axis after the other.

    Window i of n positions covers floor(i·n/s) to ceil((i+1)·n/s), as PyTorch has it; those of several axes
    are boxes, whose maximum and whose mean may be taken axis by axis.
    """
    for axis, size in enumerate(sizes, x.dim() - len(sizes)):
        n = x.shape[axis]
        ends = [(i * n // size, -(-(i + 1) * n // size)) for i in range(size)]
        x = torch.stack([reduced(x.narrow(axis, at, end - at), axis) for at, end in ends], axis)
    return x


def _largest(x: Tensor, sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
    values = _by_windows(x, sizes, lambda part, axis: part.amax(axis))
    # The places of the largest: layers do not return them.
    return values, torch.zeros_like(values, dtype=torch.int64)


def _mean(x: Tensor, sizes: Sequence[int]) -> Tensor:
    return _by_windows(x, sizes, lambda part, axis: part.mean(axis))


_aten = torch.ops.aten
_TABLE: dict[Any, Callable[..., Any]] = {
    _aten.adaptive_max_pool1d.default: _largest,
    _aten.adaptive_max_pool2d.default: _largest,
    _aten.adaptive_max_pool3d.default: _largest,
    # Of means those of one and two axes are translated.
    _aten.adaptive_avg_pool3d.default: _mean,
}


def without_adaptive_pooling(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """Return a graph in which adaptive pooling is slices and their maxima or means; others unchanged."""
    if not any(node.target in _TABLE for node in program.graph.nodes):
        return program
    changed: torch.export.ExportedProgram = program.run_decompositions(_TABLE)
    return changed
