"""Data that cannot be learned from is refused in one line that says why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from optnas import UserError, data

X = np.arange(60.0).reshape(30, 2)
CLASSES = np.arange(30) % 3


def with_gap(array: np.ndarray, at: int) -> np.ndarray:
    array = array.astype(float)
    array[at] = np.nan
    return array


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (with_gap(X, 7), CLASSES, "sample 7 holds a value that is not a finite number"),
        (X, with_gap(X[:, 0], 4), "target 4 holds a value that is not a finite number"),
        ([[1.0], [2.0, 3.0]], [0, 1], "the inputs must be numbers of one shape"),
        (X, [[0], [1, 2]] * 15, "the targets must be of one shape"),
        ([["a"]] * 30, CLASSES, "the inputs must be numbers of one shape"),
        (X[:, 0], CLASSES, r"inputs of shape \(30,\)"),
        (np.where(X == 20, 1e300, X), CLASSES, "sample 10 holds a number beyond 3.4e38"),
        (-np.where(X == 20, 1e300, X), CLASSES, "sample 10 holds a number beyond 3.4e38"),
        (X[:0], CLASSES[:0], r"inputs of shape \(0, 2\)"),
        (X, CLASSES[:20], "do not fit 30 inputs"),
        (X, X[:20, 0], "do not fit 30 inputs"),
        (X, CLASSES - 1, "the label -1 is negative"),
        (X, CLASSES * 2, "no sample is of class 1"),
        (X, np.full(30, 10**9), "no sample is of class 0"),
        (X, CLASSES * 0, "every sample is of class 0"),
        (X, np.array([None, "a", "b"] * 10, dtype=object), "labels must be whole numbers from 0 on"),
        (X[:1], CLASSES[:1], "every sample is of class 0"),
        (X[:1], X[:1, 0], "cannot be split in three"),
        (X, np.r_[np.zeros(29, int), 1], "1 of 2 classes have 1 of the 30 samples.*tasks.regression"),
    ],
)
def test_broken_arrays_are_refused(x: Any, y: Any, said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        data.tensors(x, y, name="mine").splits  # noqa: B018
    assert "data 'mine'" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_floating_point_targets_are_values_and_the_rest_classes() -> None:
    assert data.tensors(X, X).outputs == 2
    assert data.tensors(X, X[:, 0]).outputs == 1
    assert data.tensors(X, CLASSES).outputs == 3
    assert data.tensors(X, CLASSES, targets="values").outputs == 1
    assert data.tensors(X, CLASSES.astype(float), targets="classes").outputs == 3
    assert data.tensors(X, CLASSES > 0).outputs == 2
    with pytest.raises(UserError, match="must be 'classes', 'values', 'points', 'boxes' or 'auto'"):
        data.tensors(X, CLASSES, targets="labels").splits  # noqa: B018
    with pytest.raises(UserError, match="labels must be whole numbers"):
        data.tensors(X, X[:, 0] / 7, targets="classes").splits  # noqa: B018


def test_texts_are_classes_in_their_alphabetical_order() -> None:
    splits = data.tensors(X, np.array(["pear", "apple", "fig"])[CLASSES]).splits
    number = dict(zip(X[:, 0], [2, 0, 1] * 10, strict=True))
    whole = data.tensors(X, [number[row] for row in X[:, 0]]).splits
    assert splits.train.y.tolist() == whole.train.y.tolist()


def test_masked_targets_are_refused() -> None:
    with pytest.raises(UserError, match="masked"):
        data.tensors(np.zeros((20, 3)), np.ma.masked_equal(np.arange(20) % 2, 1)).splits  # noqa: B018
    with pytest.raises(UserError, match="masked"):
        data.tensors(np.zeros((20, 3)), [0, np.ma.masked] * 10).splits  # noqa: B018


def test_targets_that_are_texts_and_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="some are texts and some are not"):
        data.tensors(X, [0, "0", 1] * 10).splits  # noqa: B018


def test_tensors_of_a_graph_or_of_half_precision_are_taken_as_numbers() -> None:
    x = torch.randn(20, 3)
    plain = data.tensors(x, [0.5, 1] * 10).splits
    y = torch.tensor([0.5, 1] * 10, dtype=torch.bfloat16)
    other = data.tensors(x.clone().requires_grad_(), y.requires_grad_()).splits
    assert torch.equal(plain.train.x, other.train.x)
    assert torch.equal(plain.train.y, other.train.y)
