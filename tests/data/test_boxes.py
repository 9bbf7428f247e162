"""Boxes of images in lists of any length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optnas import UserError, data


def test_ragged_boxes_are_padded_by_rows_of_no_class() -> None:
    boxes = [[(2, 0, 1, 4, 5.5)], np.array([[0, 1, 1, 2, 2], [1, 3, 3, 9, 9]]), []]
    found = data.padded_boxes(boxes)
    assert found.dtype == np.float32
    assert found.tolist() == [
        [[2, 0, 1, 4, 5.5], [-1, 0, 0, 0, 0]],
        [[0, 1, 1, 2, 2], [1, 3, 3, 9, 9]],
        [[-1, 0, 0, 0, 0], [-1, 0, 0, 0, 0]],
    ]
    assert data.padded_boxes(boxes, most=4).shape == (3, 4, 5)


@pytest.mark.parametrize(
    ("boxes", "says"),
    [
        ([[], []], "no image has a box"),
        ([[(0, 0, 0, 1)]], r"image 0: boxes of shape \(1, 4\)"),
        ([[], (0, 0, 0, 1, 1)], r"image 1: boxes of shape \(5,\)"),
        ([[("cat", 0, 0, 1, 1)]], "rows of 5 numbers"),
        ([[(0, 0, 0, 1, float("nan"))]], "no number"),
        ([[(0, 0, 0, 1, 1), (-1, 0, 0, 1, 1)]], r"\(-1.0, 0.0, 0.0, 1.0, 1.0\) needs a class"),
        ([[(0.5, 0, 0, 1, 1)]], "needs a class that is a whole number"),
        ([[(0, 3, 0, 1, 1)]], "left < right"),
        ([[(0, 0, 1, 1, 1)]], "top < bottom"),
    ],
)
def test_what_is_no_box_is_said(boxes: Any, says: str) -> None:
    with pytest.raises(UserError, match=says):
        data.padded_boxes(boxes)


def test_more_boxes_than_rows_are_never_cut() -> None:
    with pytest.raises(UserError, match="an image has 2 boxes; leave most out"):
        data.padded_boxes([[(0, 0, 0, 1, 1), (0, 1, 1, 2, 2)]], most=1)
