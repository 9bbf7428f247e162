"""Boxes in the maps that detectors put out: peaks of the classes' scores (Zhou, Wang & Krähenbühl 2019).

What channels mean is said in ``optnas/tasks/_centers.py``, which has the loss.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from optnas.data.trees import Tree
from optnas.errors import UserError

__all__ = ["PRIOR", "detected", "named", "peaks", "said_by"]

PRIOR = 2.19
"""Logits are moved by it, so that at first each cell has an object with probability 0.1, as in the paper."""

# Boxes of a class that overlap more are of one object (as FCOS has it, Tian et al. 2019).
_SAME = 0.6


def detected(outputs: Tree, *, stride: int | Mapping[str, int] = 4, most: int = 100) -> Tensor:
    """Return the boxes in the output of a network of :func:`detection`, the surest first.

    >>> import optnas
    >>> from optnas import tasks
    >>> boxes = tasks.detected(optnas.load("runs/shapes-17")(images))  # doctest: +SKIP

    Args:
        outputs: What the network puts out, shape (samples, classes + 4, height, width), or several by name.
        stride: Side of a cell in pixels, as the task had it.
        most: The most boxes of an image.

    Returns:
        Rows of (class, score, left, top, right, bottom), shape (samples, most or fewer, 6), in pixels. Scores
        are from 0 to 1; 0 says that an image has no more boxes.

    Raises:
        UserError: If ``stride`` does not name the outputs.
    """
    names = list(outputs) if isinstance(outputs, Mapping) else [""]
    if set(names) != set(named(stride)):
        raise UserError(f"detected(stride={stride!r}) must be as the task's: a network put out {names}")
    if isinstance(stride, int):
        return peaks(outputs, outputs.shape[1] - 4, stride, most)
    found = [peaks(outputs[name], outputs[name].shape[1] - 4, of, most) for name, of in stride.items()]
    return _surest(torch.cat(found, 1), most)


def named(stride: int | Mapping[str, int]) -> Mapping[str, int]:
    """Return strides by the names of the outputs; an empty one where there is one output alone."""
    return {"": stride} if isinstance(stride, int) else stride


def said_by(outputs: Tensor, classes: int, cell: Tensor) -> Tensor:
    """Return the boxes (batch, most, 4) that cells, indices (batch, most), predict around their centres."""
    said = outputs[:, classes:].flatten(2).float()
    return said.gather(2, cell[:, None].expand(-1, 4, -1)).transpose(1, 2)


def peaks(outputs: Tensor, classes: int, stride: int, most: int) -> Tensor:
    """Return the boxes that outputs (batch, classes + 4, height, width) tell of, the surest first.

    They are the cells whose score is the highest of their class among their neighbours, so that no two are
    of one object.

    Returns:
        Rows of (class, score, left, top, right, bottom), shape (batch, most or fewer, 6). Scores are from 0
        to 1; 0 says that an image has no more boxes.
    """
    height, width = outputs.shape[2:]
    heat = (outputs[:, :classes].float() - PRIOR).sigmoid()
    heat = heat * (heat == max_pool2d(heat, 3, stride=1, padding=1))
    score, index = heat.flatten(1).topk(min(most, classes * height * width), dim=1)
    kind, cell = index // (height * width), index % (height * width)
    said = said_by(outputs, classes, cell)
    centre = torch.stack([cell % width, cell // width], dim=-1) + said[..., :2]
    half = said[..., 2:].clamp(min=0) / 2
    image = torch.tensor([width, height], device=outputs.device) * stride
    corners = [((centre + side * half) * stride).clamp(min=0).minimum(image) for side in (-1, 1)]
    return torch.cat([kind[..., None], score[..., None], *corners], dim=-1)


def _surest(found: Tensor, most: int) -> Tensor:
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
