"""Objects as the centres of their boxes on a map of cells (Zhou, Wang & Krähenbühl 2019, arXiv 1904.07850).

A network's output has a channel of logits for each class, then 4: the offset of a centre from its cell's left
upper corner, across and down, and the width and height of its box. These are in cells.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, logsigmoid

from optnas.answers.centers import PRIOR, said_by

__all__ = ["Centers", "centers_loss", "centers_of"]

# Eq. 1: how much less certain cells and those near a centre count. Eq. 4: the weight of the size's loss.
_ALPHA, _BETA, _SIZE = 2, 4, 0.1
# Of a box's sides the deviation of the bump around its centre (Liu et al. 2020, arXiv 1909.00700, eq. 3).
_SPREAD = 0.54 / 6


@dataclasses.dataclass(frozen=True)
class Centers:
    """Training targets of detection by centres, made of the boxes of images.

    Attributes:
        heat: How near each cell is to a centre of each class, 1 at a centre, (batch, classes, height, width).
        there: Which rows are boxes, 0 or 1, shape (batch, most).
        cell: The cell of each box, an index of the flattened map, shape (batch, most).
        place: The offset and the size of each box, in cells, shape (batch, most, 4).
    """

    heat: Tensor
    there: Tensor
    cell: Tensor
    place: Tensor


def centers_of(boxes: Tensor, classes: int, height: int, width: int, stride: int) -> Centers:
    """Return the centers of boxes, rows of (class, left, top, right, bottom), shape (batch, most, 5)."""
    there = (boxes[..., 0] >= 0).float()
    corners = boxes[..., 1:].float() / stride
    centre, size = (corners[..., :2] + corners[..., 2:]) / 2, corners[..., 2:] - corners[..., :2]
    # By numbers of Python: a tensor made of them would be copied, which no CUDA graph records.
    column, row = (centre[..., i].floor().clamp(0, sides - 1) for i, sides in enumerate((width, height)))
    across = _bump(width, column, size[..., 0])[:, :, None, :]
    down = _bump(height, row, size[..., 1])[:, :, :, None]
    bumps = across * down * there[..., None, None]
    kind = boxes[..., 0].clamp(0, classes - 1).long()[..., None, None].expand_as(bumps)
    heat = bumps.new_zeros(len(boxes), classes, height, width).scatter_reduce(1, kind, bumps, "amax")
    offset = centre - torch.stack([column, row], dim=-1)
    return Centers(heat, there, (row * width + column).long(), torch.cat([offset, size], dim=-1))


def _bump(length: int, cell: Tensor, size: Tensor) -> Tensor:
    """Return a Gaussian around each cell along a side of the map, shape (batch, most, length)."""
    off = torch.arange(length, device=cell.device) - cell[..., None]
    return (-(off**2) / (2 * (_SPREAD * size[..., None]).clamp(min=1e-3) ** 2)).exp()


def centers_loss(outputs: Tensor, wanted: Centers) -> Tensor:
    """Return the loss of outputs (batch, classes + 4, height, width), a mean over boxes (eq. 1 to 4)."""
    classes = wanted.heat.shape[1]
    logits = outputs[:, :classes].float() - PRIOR
    chance, log_of, log_of_none = logits.sigmoid(), logsigmoid(logits), logsigmoid(-logits)
    at_centre = (wanted.heat == 1).float()
    found = at_centre * (1 - chance) ** _ALPHA * log_of
    other = (1 - at_centre) * (1 - wanted.heat) ** _BETA * chance**_ALPHA * log_of_none
    said = said_by(outputs, classes, wanted.cell)
    off = l1_loss(said, wanted.place, reduction="none") * wanted.there[..., None]
    sides = off[..., :2].sum() + _SIZE * off[..., 2:].sum()
    return (sides - found.sum() - other.sum()) / wanted.there.sum().clamp(min=1)
