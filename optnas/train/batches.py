"""Batches of the data for the training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from optnas.data import Part, Splits, augment
from optnas.train.checks import check_augmentation, check_mixable
from optnas.train.layout import channels_last
from optnas.train.training import Training

__all__ = ["batch_sizes", "block_bytes", "in_order", "shuffled"]

# Of inputs in float32, before they are cut in batches: a small data set's whole epoch is one block,
# a large one's is never in memory at once.
_BLOCK_BYTES = 64 * 2**20


def batch_sizes(samples: int, size: int) -> list[int]:
    """Return the sizes of an epoch's batches; a single sample left over is too few for a batch norm."""
    whole, rest = divmod(samples, size)
    return [size] * whole + [rest] * (rest > 1)


def shuffled(
    parts: Splits, sizes: list[int], training: Training, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield an epoch's batches of inputs and targets, in an order drawn from ``generator``.

    Thousands of samples are shuffled, prepared and augmented at once, and the batches are slices of
    that.

    Raises:
        UserError: If the data cannot be augmented as ``training`` says.
    """
    check_augmentation(parts.train, training)
    order = torch.randperm(len(parts.train), generator=generator)[: sum(sizes)]
    size = sizes[0]
    for x, y in parts.train.blocks(_block(parts.train, size), order):
        x, y = _augmented(x, y, parts, training, generator)
        yield from zip(torch.split(channels_last(x), size), torch.split(y, size), strict=True)


def in_order(part: Part, size: int, prepare: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
    """Yield the inputs in batches of ``size``."""
    for block, _ in part.blocks(_block(part, size)):
        for x in torch.split(block, size):
            yield channels_last(prepare(x))


def _block(part: Part, size: int) -> int:
    """Return how many samples a block has: whole batches."""
    return max(1, _BLOCK_BYTES // (4 * math.prod(part.shape) * size)) * size


def block_bytes(part: Part) -> int:
    """Return about how many bytes an epoch's block of the part takes, ready for the network."""
    return min(_BLOCK_BYTES, 4 * math.prod(part.shape) * len(part))


def _augmented(
    x: Tensor, y: Tensor, parts: Splits, training: Training, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return a block of inputs, augmented and prepared, and its targets."""
    # What only moves pixels does so while they are small.
    if training.crop:
        x = augment.crop(x, training.crop, generator, padding=training.padding)
    if training.flip:
        x = augment.flip(x, generator)
    x = parts.prepare(x)
    if training.cutout:
        x = augment.cutout(x, training.cutout, generator)
    if training.mixup:
        check_mixable(x)
        targets = y if y.is_floating_point() else one_hot(y, parts.outputs).to(x.dtype)
        x, y = augment.mixup(x, targets, training.mixup, generator)
    return x, y
