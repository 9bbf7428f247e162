"""Batches of the data for the training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from optnas.data import Part, Splits, augment
from optnas.train.checks import check_augmentation, check_mixable, dense_targets
from optnas.train.memory_format import channels_last
from optnas.train.training import Training

__all__ = ["batch_sizes", "block_bytes", "in_order", "shuffled"]

# Size of a block of inputs in float32, which is then cut into batches: a small data set's epoch is one
# block, and a large data set's epoch is never in memory at once.
_BLOCK_BYTES = 64 * 2**20


def batch_sizes(samples: int, size: int) -> list[int]:
    """Return the sizes of an epoch's batches; one left-over sample, too few for batch norm, is dropped."""
    whole, rest = divmod(samples, size)
    return [size] * whole + [rest] * (rest > 1)


def shuffled(
    parts: Splits,
    sizes: list[int],
    training: Training,
    generator: torch.Generator,
    most_bytes: int = _BLOCK_BYTES,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield an epoch's batches of inputs and targets, in an order drawn from ``generator``.

    Samples of up to ``most_bytes`` are shuffled, prepared and augmented at once; the batches are slices of
    them.

    Raises:
        UserError: If the data cannot be augmented as ``training`` says.
    """
    check_augmentation(parts, training)
    order = torch.randperm(len(parts.train), generator=generator)[: sum(sizes)]
    size = sizes[0]
    for x, y in parts.train.blocks(_block(parts.train, size, most_bytes), order):
        x, y = _augmented(x, y, parts, training, generator)
        yield from zip(torch.split(channels_last(x), size), torch.split(y, size), strict=True)


def in_order(part: Part, size: int, prepare: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
    """Yield the inputs of ``part``, prepared and in their stored order, in batches of ``size``."""
    for block, _ in part.blocks(_block(part, size)):
        for x in torch.split(block, size):
            yield channels_last(prepare(x))


def _block(part: Part, size: int, most_bytes: int = _BLOCK_BYTES) -> int:
    """Return the number of samples per block, a multiple of the batch size."""
    return max(1, most_bytes // (4 * math.prod(part.shape) * size)) * size


def block_bytes(part: Part) -> int:
    """Return the approximate bytes of the largest block of ``part``, prepared for the network."""
    return min(_BLOCK_BYTES, 4 * math.prod(part.shape) * len(part))


def _augmented(
    x: Tensor, y: Tensor, parts: Splits, training: Training, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Augment and prepare a block of inputs; return it with its targets."""
    # Crop and flip only move pixels, so they run before preparation, while pixels are in a small type.
    dense = dense_targets(parts.train)
    if training.crop:
        x, y = _moved(
            partial(augment.crop, margin=training.crop, padding=training.padding), x, y, generator, dense
        )
    if training.flip:
        x, y = _moved(augment.flip, x, y, generator, dense)
    x = parts.prepare(x)
    if training.cutout:
        x = augment.cutout(x, training.cutout, generator)
    if training.mixup:
        check_mixable(x)
        targets = y if y.is_floating_point() else one_hot(y.long(), parts.outputs).to(x.dtype)
        x, y = augment.mixup(x, targets, training.mixup, generator)
    return x, y


def _moved(
    move: Callable[..., Tensor], x: Tensor, y: Tensor, generator: torch.Generator, dense: bool
) -> tuple[Tensor, Tensor]:
    """Move the pixels of images at random, and those of dense targets in the same way."""
    again = generator.clone_state()
    x = move(x, generator=generator)
    if dense:
        y = move(y.reshape(len(y), -1, *y.shape[-2:]), generator=again).view_as(y)
    return x, y
