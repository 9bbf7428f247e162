"""Boxes around connected pixels that are unlike the rest of their image: a detector that learns nothing."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["blobs"]

# Pixels farther from the median than so many median distances are unusual; smaller blobs are noise.
_FAR, _FEWEST_PIXELS = 3.0, 9


def blobs(image: Tensor, kind: int) -> Tensor:
    """Return a box around each blob of an image (channels, height, width).

    Returns:
        Rows of (class, score, left, top, right, bottom), shape (blobs, 6): the larger a blob, the surer.
    """
    from scipy import ndimage

    off = (image - image.flatten(1).median(dim=1).values[:, None, None]).abs().mean(dim=0).double()
    smooth = ndimage.uniform_filter(off.numpy(), 3)
    labels, count = ndimage.label(smooth > _FAR * float(off.median()))
    sizes = ndimage.sum_labels(labels > 0, labels, range(1, count + 1))
    rows = [
        (kind, size / image[0].numel(), place[1].start, place[0].start, place[1].stop, place[0].stop)
        for size, place in zip(sizes, ndimage.find_objects(labels), strict=True)
        if size >= _FEWEST_PIXELS
    ]
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
