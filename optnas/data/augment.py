"""Augmentation of many samples at once, on whatever device they are.

Pure functions over a whole block of samples: a few tensor operations for thousands of images. What
is random is drawn on the CPU, so that a seed means the same on every device.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["crop", "cutout", "flip", "mixup"]


def crop(images: Tensor, margin: int, generator: torch.Generator, *, padding: str = "reflect") -> Tensor:
    """Return the images, each padded by ``margin`` pixels a side and cut to its size at random.

    Args:
        images: Shape (samples, channels, height, width), of any type.
        margin: Less than height and width.
        generator: Of the CPU.
        padding: What is beyond the edge: ``"reflect"`` the image, or ``"zero"``.
    """
    samples, channels, height, width = images.shape
    rows = _moved(height, margin, samples, generator).to(images.device)
    columns = _moved(width, margin, samples, generator).to(images.device)
    # One gather of pixels by their index in the flattened image; no padded copy is made.
    pixels = _reflected(rows, height)[:, :, None] * width + _reflected(columns, width)[:, None, :]
    pixels = pixels.view(samples, 1, -1).expand(-1, channels, -1)
    moved = images.flatten(2).gather(2, pixels).view_as(images)
    if padding == "reflect":
        return moved
    inside = _within(rows, 0, height)[:, None, :, None] & _within(columns, 0, width)[:, None, None, :]
    return moved * inside


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return the images (samples, channels, height, width), every other one by chance mirrored."""
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images)


def cutout(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Return the images with a square of zeros in each (DeVries & Taylor 2017, arXiv 1708.04552).

    Args:
        images: Shape (samples, channels, height, width); after normalisation, where 0 is the mean.
        side: Of the square, pixels. Its centre is in the image, a part of it may be outside.
        generator: Of the CPU.
    """
    samples, _, height, width = images.shape

    def covered(length: int) -> Tensor:
        start = torch.randint(length, (samples, 1), generator=generator) - side // 2
        return _within(torch.arange(length), start, start + side).to(images.device)

    square = covered(height)[:, None, :, None] & covered(width)[:, None, None, :]
    return images.masked_fill(square, 0)


def mixup(x: Tensor, y: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return each sample and its target mixed with those before it (Zhang et al. 2018, arXiv 1710.09412).

    Args:
        x: Inputs, shape (samples, …), floating, in a random order.
        y: Targets, shape (samples, …), floating: shares of the classes, or values.
        alpha: Shares are drawn from Beta(alpha, alpha) for each sample: 0.2 mixes a little, 1 anything.
        generator: Of the CPU.
    """
    # PyTorch's Beta distribution takes no generator.
    numpy = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    shares = torch.from_numpy(numpy.beta(alpha, alpha, len(x)).astype(np.float32)).to(x.device)

    def mixed(of: Tensor) -> Tensor:
        return torch.lerp(of, of.roll(1, 0), shares.to(of.dtype).view(-1, *[1] * (of.dim() - 1)))

    return mixed(x), mixed(y)


def _moved(length: int, margin: int, samples: int, generator: torch.Generator) -> Tensor:
    """Return for each sample which positions lie at 0 … length - 1 after a move, shape (samples, length)."""
    return torch.arange(length) + torch.randint(-margin, margin + 1, (samples, 1), generator=generator)


def _reflected(position: Tensor, length: int) -> Tensor:
    """Return positions beyond the edges mirrored into 0 … length - 1; the edge itself is not repeated."""
    inwards = position.abs()
    return torch.minimum(inwards, 2 * (length - 1) - inwards)


def _within(position: Tensor, start: Tensor | int, stop: Tensor | int) -> Tensor:
    return (position >= start) & (position < stop)
