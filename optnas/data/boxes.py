"""Boxes of objects in images: lists of any length, padded to one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from optnas.data.numbers import Array
from optnas.errors import UserError

__all__ = ["NO_BOX", "padded_boxes"]

NO_BOX = -1.0
"""The class of a row that is no box."""


def padded_boxes(boxes: Sequence[Any], *, most: int | None = None) -> Array:
    """Return the boxes of images, of which each has any number, as one array for ``data.tensors``.

    Args:
        boxes: For each image its boxes, rows of (class, left, top, right, bottom): whole numbers from 0 on,
            and pixels from the image's left upper corner. An image without objects has an empty list.
        most: Rows for each image; by default as many as the image with the most boxes has.

    Returns:
        Float32, shape (samples, most, 5). Rows beyond an image's boxes have the class -1, and zeros.

    Raises:
        UserError: If a row is no box, or an image has more than ``most``, or none has any.

    >>> from optnas import data
    >>> data.padded_boxes([[(0, 2, 2, 8, 6)], []]).tolist()
    [[[0.0, 2.0, 2.0, 8.0, 6.0]], [[-1.0, 0.0, 0.0, 0.0, 0.0]]]
    """
    found = [_rows(i, of) for i, of in enumerate(boxes)]
    longest = max(map(len, found), default=0)
    if longest == 0:
        raise UserError("padded_boxes: no image has a box; there is nothing to learn")
    rows = longest if most is None else most
    if rows < longest:
        raise UserError(f"padded_boxes(most={most}): an image has {longest} boxes; leave most out")
    padded = np.zeros((len(found), rows, 5), dtype=np.float32)
    padded[:, :, 0] = NO_BOX
    for of, to in zip(found, padded, strict=True):
        to[: len(of)] = of
    return padded


def _rows(image: int, given: Any) -> Array:
    try:
        rows = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"padded_boxes: image {image}: boxes must be rows of 5 numbers: {error}") from None
    if rows.size == 0:
        return np.zeros((0, 5))
    if rows.ndim != 2 or rows.shape[1] != 5:
        raise UserError(
            f"padded_boxes: image {image}: boxes of shape {rows.shape}; give rows of (class, left, top,"
            " right, bottom)"
        )
    classes, (left, top, right, bottom) = rows[:, 0], rows[:, 1:].T
    for wrong, says in (
        (~np.isfinite(rows).all(axis=1), "has what is no number"),
        ((classes < 0) | (classes != np.round(classes)), "needs a class that is a whole number from 0 on"),
        ((right <= left) | (bottom <= top), "needs left < right and top < bottom"),
    ):
        if wrong.any():
            row = tuple(rows[wrong][0].tolist())
            raise UserError(f"padded_boxes: image {image}: the box {row} {says}")
    return rows
