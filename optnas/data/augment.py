"""Augmentation of many samples at once, on their device.

Pure functions over a whole block of samples: a few tensor operations for thousands of images. Random
numbers are drawn on the CPU, so that a seed means the same on every device.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["crop", "cutout", "flip", "mixup"]


def crop(images: Tensor, margin: int, generator: torch.Generator, *, padding: str = "reflect") -> Tensor:
    """Pad each image by ``margin`` pixels a side and crop it to its size at a random place.

    Args:
        images: Shape (samples, channels, height, width), of any type.
        margin: Less than height and width.
        generator: A generator on the CPU.
        padding: Pixels beyond the edge: ``"reflect"`` the image, or ``"zero"``.
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
    """Mirror each of the images (samples, channels, height, width) with probability 1/2."""
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images)


def cutout(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Set a random square of each image to zero (DeVries & Taylor 2017, arXiv 1708.04552).

    Args:
        images: Shape (samples, channels, height, width); after normalisation, where 0 is the mean.
        side: Side of the square in pixels. Its centre is in the image, a part of it may be outside.
        generator: A generator on the CPU.
    """
    samples, _, height, width = images.shape

    def covered(length: int) -> Tensor:
        start = torch.randint(length, (samples, 1), generator=generator) - side // 2
        return _within(torch.arange(length), start, start + side).to(images.device)

    square = covered(height)[:, None, :, None] & covered(width)[:, None, None, :]
    return images.masked_fill(square, 0)


def mixup(x: Tensor, y: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mix each sample and its target with the sample before it (Zhang et al. 2018, arXiv 1710.09412).

    Args:
        x: Inputs, shape (samples, …), floating, in a random order.
        y: Targets, shape (samples, …), floating: shares of the classes, or values.
        alpha: Each sample's share is drawn from Beta(alpha, alpha): 0.2 mixes most samples a little, with
            1 all shares are equally likely.
        generator: A generator on the CPU.
    """
    # PyTorch's Beta distribution takes no generator.
    numpy = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    shares = torch.from_numpy(numpy.beta(alpha, alpha, len(x)).astype(np.float32)).to(x.device)

    def mixed(of: Tensor) -> Tensor:
        return torch.lerp(of, of.roll(1, 0), shares.to(of.dtype).view(-1, *[1] * (of.dim() - 1)))

    return mixed(x), mixed(y)


def _moved(length: int, margin: int, samples: int, generator: torch.Generator) -> Tensor:
    """Return positions 0 … length - 1 shifted at random for each sample, shape (samples, length)."""
    return torch.arange(length) + torch.randint(-margin, margin + 1, (samples, 1), generator=generator)


def _reflected(position: Tensor, length: int) -> Tensor:
    """Mirror positions beyond the edges into 0 … length - 1, without repeating the edge itself."""
    inwards = position.abs()
    return torch.minimum(inwards, 2 * (length - 1) - inwards)


def _within(position: Tensor, start: Tensor | int, stop: Tensor | int) -> Tensor:
    return (position >= start) & (position < stop)
