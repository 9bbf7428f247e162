"""Batches of the data for the training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from optnas.data import Split
from optnas.train.layout import channels_last

__all__ = ["batch_sizes", "in_order", "shuffled"]

_Prepare = Callable[[Tensor], Tensor]


def batch_sizes(samples: int, size: int) -> list[int]:
    """Return the sizes of an epoch's batches; a single sample left over is too few for a batch norm."""
    whole, rest = divmod(samples, size)
    return [size] * whole + [rest] * (rest > 1)


def shuffled(
    split: Split, sizes: list[int], prepare: _Prepare, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Return an epoch's batches of inputs and targets, in an order drawn from ``generator``.

    The whole epoch is shuffled at once, and the batches are slices of that.
    """
    order = torch.randperm(len(split), generator=generator)[: sum(sizes)].to(split.x.device)
    inputs = torch.split(channels_last(prepare(split.x[order])), sizes)
    return zip(inputs, torch.split(split.y[order], sizes), strict=True)


def in_order(split: Split, size: int, prepare: _Prepare) -> Iterator[Tensor]:
    """Return the inputs in batches of ``size``."""
    return (channels_last(prepare(batch)) for batch in torch.split(split.x, size))
