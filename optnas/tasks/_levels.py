"""Objects on maps of several strides: to which one a box belongs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["of_levels"]


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
