"""Augmentation of many samples at once, on their device.

Pure functions over a whole block of samples: a few tensor operations for thousands of images. Random
numbers are drawn on the CPU, so that a seed means the same on every device.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from optnas.data.sending import sent

__all__ = ["angles", "colors", "crop", "cutout", "flip", "mirrored", "mixup", "rotate", "shifts"]

# Of red, green and blue in what is seen as their grey (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)


def crop(images: Tensor, margin: int, generator: torch.Generator, *, padding: str = "reflect") -> Tensor:
    """Pad each image by ``margin`` pixels a side and crop it to its size at a random place.

    Args:
        images: Shape (samples, channels, height, width), of any type.
        margin: Less than height and width.
        generator: A generator on the CPU.
        padding: Pixels beyond the edge: ``"reflect"`` the image, or ``"zero"``.
    """
    samples, _, height, width = images.shape
    rows = sent(torch.arange(height) + shifts(margin, samples, generator), images.device)
    columns = sent(torch.arange(width) + shifts(margin, samples, generator), images.device)
    return _taken(images, rows[:, :, None], columns[:, None, :], padding)


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each of the images (samples, channels, height, width) with probability 1/2."""
    chosen = sent(mirrored(len(images), generator), images.device)
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def rotate(
    images: Tensor,
    degrees: float,
    generator: torch.Generator,
    *,
    padding: str = "reflect",
    nearest: bool = False,
) -> Tensor:
    """Turn each image about its centre by a random angle from -degrees to degrees.

    Args:
        images: Shape (samples, channels, height, width), of any type.
        degrees: The largest angle.
        generator: A generator on the CPU.
        padding: Pixels beyond the edge: ``"reflect"`` the image, or ``"zero"``.
        nearest: Whether a pixel is the nearest one of the image, as for classes, which have no mean; by
            default it is interpolated between four.
    """
    samples, _, height, width = images.shape
    by = sent(angles(degrees, samples, generator)[..., None], images.device)
    y = (torch.arange(height, device=images.device) - (height - 1) / 2)[:, None]
    x = torch.arange(width, device=images.device) - (width - 1) / 2
    rows = by.cos() * y + by.sin() * x + (height - 1) / 2
    columns = by.cos() * x - by.sin() * y + (width - 1) / 2
    if nearest:
        return _taken(images, rows.round().long(), columns.round().long(), padding)
    places = torch.stack((columns / max(1, width - 1), rows / max(1, height - 1)), -1) * 2 - 1
    mode = "reflection" if padding == "reflect" else "zeros"
    turned = grid_sample(images.float(), places, padding_mode=mode, align_corners=True)
    return _as_type(turned, images.dtype)


def colors(
    images: Tensor, generator: torch.Generator, *, brightness: float, contrast: float, saturation: float
) -> Tensor:
    """Change each image's brightness, contrast and saturation by random factors, in this order.

    A factor is uniform from 1 - strength to 1 + strength. 0 is black, and whole numbers stay in their type's
    range.

    Args:
        images: Shape (samples, channels, height, width), of any type.
        generator: A generator on the CPU.
        brightness: Strength of the factor of all values.
        contrast: Strength of the factor of differences from the image's mean grey.
        saturation: Strength of the factor of differences of the channels from each pixel's grey.
    """
    changed = images.float()
    for strength, middle in (
        (brightness, lambda x: torch.zeros_like(x[:1, :1, :1, :1])),
        (contrast, lambda x: _grey(x).mean((2, 3), keepdim=True)),
        (saturation, _grey),
    ):
        if strength:
            factors = 1 + strength * (2 * torch.rand(len(images), 1, 1, 1, generator=generator) - 1)
            changed = torch.lerp(middle(changed), changed, sent(factors, images.device))
    return _as_type(changed, images.dtype)


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
        return sent(_within(torch.arange(length), start, start + side), images.device)

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
    shares = sent(torch.from_numpy(numpy.beta(alpha, alpha, len(x)).astype(np.float32)), x.device)

    def mixed(of: Tensor) -> Tensor:
        return torch.lerp(of, of.roll(1, 0), shares.to(of.dtype).view(-1, *[1] * (of.dim() - 1)))

    return mixed(x), mixed(y)


def shifts(margin: int, samples: int, generator: torch.Generator) -> Tensor:
    """Draw by how many pixels each image is cropped along a side, -margin to margin, shape (samples, 1)."""
    return torch.randint(-margin, margin + 1, (samples, 1), generator=generator)


def mirrored(samples: int, generator: torch.Generator) -> Tensor:
    """Draw which images are mirrored, shape (samples,)."""
    return torch.rand(samples, generator=generator) < 0.5


def angles(degrees: float, samples: int, generator: torch.Generator) -> Tensor:
    """Draw by how much each image is turned, in radians, shape (samples, 1)."""
    turned = torch.empty(samples, 1, 1).uniform_(-degrees, degrees, generator=generator)
    return turned[..., 0] * (math.pi / 180)


def _taken(images: Tensor, rows: Tensor, columns: Tensor, padding: str) -> Tensor:
    """Return the pixels of each image at places (samples, height or 1, width or 1), also beyond the edge."""
    samples, channels, height, width = images.shape
    # One gather of pixels by their index in the flattened image; no padded copy is made.
    pixels = _reflected(rows, height) * width + _reflected(columns, width)
    pixels = pixels.view(samples, 1, -1).expand(-1, channels, -1)
    taken = images.flatten(2).gather(2, pixels).view_as(images)
    if padding == "reflect":
        return taken
    return taken * (_within(rows, 0, height) & _within(columns, 0, width))[:, None]


def _reflected(position: Tensor, length: int) -> Tensor:
    """Mirror positions beyond the edges into 0 … length - 1, without repeating the edge itself."""
    there_and_back = 2 * (length - 1)
    inwards = position.abs() % max(1, there_and_back)
    return torch.minimum(inwards, there_and_back - inwards)


def _grey(images: Tensor) -> Tensor:
    """Return the grey of each pixel, shape (samples, 1, height, width)."""
    if images.shape[1] != len(_LUMA):
        return images.mean(1, keepdim=True)
    return (images * images.new_tensor(_LUMA).view(-1, 1, 1)).sum(1, keepdim=True)


def _as_type(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Return values as ``dtype``; whole numbers are rounded, and kept in its range."""
    if dtype.is_floating_point:
        return values.to(dtype)
    if dtype == torch.bool:
        return values >= 0.5
    limits = torch.iinfo(dtype)
    return values.round().clamp(limits.min, limits.max).to(dtype)


def _within(position: Tensor, start: Tensor | int, stop: Tensor | int) -> Tensor:
    return (position >= start) & (position < stop)
