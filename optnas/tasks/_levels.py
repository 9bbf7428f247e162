"""Objects on maps of several strides: to which one a box belongs, and what several maps have found twice."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["of_levels", "surest"]

# Boxes of a class that overlap more are of one object (as FCOS has it, Tian et al. 2019).
_SAME = 0.6


def of_levels(boxes: Tensor, strides: Sequence[int], reach: int) -> list[Tensor]:
    """Return for each map the boxes (batch, most, 5), in which those of other maps have the class -1.

    Args:
        boxes: Rows of (class, left, top, right, bottom).
        strides: Sides of the maps' cells in pixels, growing.
        reach: The longer side in cells of the largest box of a map; the last takes all that are larger.
    """
    longer = (boxes[..., 3:] - boxes[..., 1:3]).amax(-1)
    parts, taken = [], torch.zeros_like(longer, dtype=torch.bool)
    for level, stride in enumerate(strides):
        mine = ~taken if level == len(strides) - 1 else ~taken & (longer <= reach * stride)
        taken = taken | mine
        kind = torch.where(mine, boxes[..., 0], -torch.ones_like(longer))
        parts.append(torch.cat([kind[..., None], boxes[..., 1:]], -1))
    return parts


def surest(found: Tensor, most: int) -> Tensor:
    """Return the surest boxes, without those that overlap a surer one of their class (Bolya et al. 2019).

    Args:
        found: Rows of (class, score, left, top, right, bottom), shape (batch, boxes, 6).
        most: The most boxes of an image.

    Returns:
        As many rows or fewer, the surest first; those left out have the score 0.
    """
    order = found[..., 1].argsort(1, descending=True)
    found = found.take_along_dim(order[..., None], 1)
    low, high = found[..., 2:4], found[..., 4:]
    shared_low = torch.maximum(low[:, :, None], low[:, None])
    shared = (torch.minimum(high[:, :, None], high[:, None]) - shared_low).clamp(min=0).prod(-1)
    area = (high - low).prod(-1)
    overlap = shared / (area[:, :, None] + area[:, None] - shared).clamp(min=1e-9)
    same = (overlap > _SAME) & (found[:, :, None, 0] == found[:, None, :, 0])
    again = same.triu(1).any(1)
    scores = found[..., 1].masked_fill(again, 0.0)
    found = torch.cat([found[..., :1], scores[..., None], found[..., 2:]], -1)
    order = scores.topk(min(most, scores.shape[1]), dim=1).indices
    return found.take_along_dim(order[..., None], 1)
