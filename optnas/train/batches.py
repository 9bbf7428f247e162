"""Batches of the data for the training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from optnas.data import Part, Splits, augment
from optnas.errors import UserError
from optnas.train.layout import channels_last
from optnas.train.training import Training

__all__ = ["batch_sizes", "in_order", "shuffled"]

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
    _check_augmentation(parts.train, training)
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
        if not x.is_floating_point():
            raise UserError("mixup is for inputs of numbers that can be mixed, not for symbols")
        targets = y if y.is_floating_point() else one_hot(y, parts.outputs).to(x.dtype)
        x, y = augment.mixup(x, targets, training.mixup, generator)
    return x, y


def _check_augmentation(part: Part, training: Training) -> None:
    if not (training.crop or training.flip or training.cutout):
        return
    if len(part.shape) != 3:
        raise UserError(
            f"crop, flip and cutout are for images (channels, height, width), not for inputs of {part.shape}"
        )
    if training.crop >= min(part.shape[1:]):
        raise UserError(f"Training(crop={training.crop}): it must be less than the images of {part.shape}")
