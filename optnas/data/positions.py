"""Positions in images, which move with them: points, and boxes by their corners.

Each move draws the random numbers that the one of its name in :mod:`optnas.data.augment` draws, so that a
generator in the same state moves images and positions alike. Positions are (x, y) in pixels from the image's
left upper corner: the middle of its first pixel is (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from optnas.data import augment
from optnas.data.boxes import NO_BOX
from optnas.data.sending import sent
from optnas.data.trees import Tree
from optnas.errors import UserError

__all__ = ["KINDS", "crop", "flip", "kinds_of", "misfit", "moved", "rotate"]

KINDS = ("points", "boxes")
"""The kinds of targets that are positions."""

# Of a box that is cropped so far, little of its object is left to be seen.
_LEAST_SHARE = 0.2


def crop(points: Tensor, size: Tensor, generator: torch.Generator, *, margin: int) -> Tensor:
    """Shift the points (samples, points, 2) of each image as it is padded and cropped."""
    rows, columns = (augment.shifts(margin, len(points), generator) for _ in ("down", "across"))
    return points - sent(torch.cat([columns, rows], 1), points.device).to(points.dtype)[:, None]


def flip(points: Tensor, size: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror the points of half of the images, left to right."""
    mirrored = sent(augment.mirrored(len(points), generator), points.device)
    x, y = points.unbind(-1)
    return torch.stack([torch.where(mirrored[:, None], size[0] - x, x), y], -1)


def rotate(points: Tensor, size: Tensor, generator: torch.Generator, *, degrees: float) -> Tensor:
    """Turn the points of each image about its centre."""
    angles = sent(augment.angles(degrees, len(points), generator), points.device).to(points.dtype)
    x, y = (points - size / 2).unbind(-1)
    across = angles.cos() * x + angles.sin() * y
    return torch.stack([across, angles.cos() * y - angles.sin() * x], -1) + size / 2


def moved(kind: str, y: Tensor, height: int, width: int, move: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return targets that are positions, moved.

    Args:
        kind: ``"points"``, of shape (samples, …, 2) or x and y in turn, (samples, 2 × points); or
            ``"boxes"``, rows as of ``data.padded_boxes``, shape (samples, most, 5).
        y: The targets.
        height: Of the images, in pixels.
        width: Of the images, in pixels.
        move: Function of points (samples, points, 2) and the images' width and height.

    Returns:
        The same shape. Points may lie outside of their image. Boxes are clipped to it, and those of which
        less than a fifth is left are no boxes any more.
    """
    y = y if y.is_floating_point() else y.float()
    size = y.new_tensor([width, height])
    if kind == "points":
        return move(y.reshape(len(y), -1, 2), size).view_as(y)
    before = y[..., 1:].reshape(*y.shape[:-1], 2, 2)
    corners = move(before.reshape(len(y), -1, 2), size).view_as(before)
    corners = torch.stack([corners.amin(-2), corners.amax(-2)], -2)
    seen, seen_before = (each.clamp(min=0).minimum(size) for each in (corners, before))
    left, total = ((each[..., 1, :] - each[..., 0, :]).prod(-1) for each in (seen, seen_before))
    there = (y[..., :1] >= 0) & (left >= _LEAST_SHARE * total)[..., None]
    kept = torch.cat([y[..., :1], seen.flatten(-2)], -1)
    none = y.new_zeros(5)
    none[0] = NO_BOX
    return torch.where(there, kept, none)


def kinds_of(y: Tree, kinds: Any) -> Tree:
    """Return the kind of each target, ``None`` where none is said.

    Args:
        y: The targets.
        kinds: One for all, or those of several by name or place.

    Raises:
        UserError: If there is no target of such a name or place.
    """
    given = set(kinds) if isinstance(kinds, Mapping) else set()
    if wrong := given - set(y if isinstance(y, Mapping) else ()):
        raise UserError(f"Splits(kinds=…) names {min(map(str, wrong))!r}, and no target is called so")
    if isinstance(y, Mapping):
        named = kinds if isinstance(kinds, Mapping) else dict.fromkeys(y, kinds)
        return {name: kinds_of(each, named.get(name)) for name, each in y.items()}
    if isinstance(y, tuple):
        if isinstance(kinds, tuple) and len(kinds) != len(y):
            raise UserError(f"Splits(kinds=…) has {len(kinds)} kinds, and there are {len(y)} targets")
        placed = kinds if isinstance(kinds, tuple) else (kinds,) * len(y)
        return tuple(kinds_of(*each) for each in zip(y, placed, strict=True))
    return kinds


def misfit(kind: str | None, y: Tensor) -> str | None:
    """Return in words why targets are not of their kind; ``None`` if they are, or no kind is said."""
    shape = tuple(y.shape)
    if kind is None:
        return None
    if kind not in KINDS:
        return f"kind {kind!r}: it must be one of {', '.join(map(repr, KINDS))}, or None"
    if kind == "boxes" and not (y.dim() == 3 and shape[2] == 5):
        return f"boxes of shape {shape}: they must be (samples, most, 5), as data.padded_boxes makes them"
    if kind == "points" and (y.dim() < 2 or shape[-1] % 2):
        return (
            f"points of shape {shape}: give x and y of each, (samples, 2), or (samples, 2 × points) in turn"
        )
    numbers = y[..., 1:] if kind == "boxes" else y
    if y.numel() and (numbers > 0).any() and numbers.abs().max() <= 1:
        return (
            f"{kind} within 0 and 1: they must be in pixels, so multiply x by the width and y by the height"
        )
    return None
