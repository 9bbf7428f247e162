"""Data that does not fit together is refused in one line when it is loaded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from optnas import data
from optnas.data import Data, Split, Splits
from optnas.errors import UserError

X, Y = np.arange(60.0).reshape(30, 2), np.arange(30) % 2


def _own(train, validation=None, prepare=None):
    def load():
        parts = Split(*train), Split(*(validation or train)), Split(*train)
        return Splits(*parts, 1) if prepare is None else Splits(*parts, 1, prepare)

    return Data("own", load)


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        ({}, Y, "x: it is empty"),
        (X, {}, "y: it is empty"),
        ({0: X, "a": X}, Y, "the name 0 must be a text"),
        (X, {1: Y, "1": Y}, "the name 1 must be a text"),
        ({"a": {"b": X}}, Y, "'a' holds several arrays itself"),
        (X, {"a": {"b": Y}}, "'a' holds several arrays itself"),
        (X, np.zeros((30, 0), int), "do not fit 30 inputs"),
        (X, np.full((30, 4), -1), "every class is negative"),
    ],
)
def test_arrays_without_names_or_without_content_are_refused(x, y, told):
    with pytest.raises(UserError, match=told):
        data.tensors(x, y).splits  # noqa: B018


@pytest.mark.parametrize("ids", [np.full((30, 1), 2**63, np.uint64), np.full((30, 1), 1e300)])
def test_ids_that_no_table_has_are_refused_and_do_not_become_negative(ids):
    with pytest.raises(UserError, match=r"an id is .*; number what they are from 0 on"):
        data.tensors(ids, Y, kinds="ids").splits  # noqa: B018


ROWS, VALUES = torch.zeros(20, 3), torch.zeros(20)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (_own((ROWS, VALUES[:18])), r"have \[18, 20\] samples"),
        (_own(({"a": ROWS, "b": ROWS[:18]}, VALUES)), r"have \[18, 20\] samples"),
        (_own((ROWS, VALUES), (ROWS, VALUES[:18])), r"validation part: .* have \[18, 20\] samples"),
        (_own(({"a": ROWS}, VALUES), ({"b": ROWS}, VALUES)), "give the same names in all"),
        (_own((ROWS[:0], VALUES[:0]), (ROWS, VALUES)), "the train part has no samples"),
        (_own((ROWS, VALUES), (ROWS[:0], VALUES[:0])), "the validation part has no samples"),
        (_own(({0: ROWS}, VALUES)), "the name 0 must be a text"),
        (_own(([ROWS], VALUES)), "x holds a list"),
        (_own((ROWS.numpy(), VALUES)), "x holds a ndarray"),
        (_own((ROWS, None)), "y holds a NoneType"),
        (_own((ROWS, torch.zeros(()))), "y holds a single number"),
        (_own((ROWS, VALUES), prepare=lambda x: x.add_(1)), "changes what is stored"),
        (_own((ROWS, VALUES), prepare=lambda x: {"a": x}), "by the names that it gets"),
        (_own((ROWS, VALUES), prepare=lambda x: None), "by the names that it gets"),
        (_own((ROWS, VALUES), prepare=lambda x: x[:, :2]), "makes 2 of 3"),
        (_own((ROWS, VALUES), prepare=lambda x: x[:1]), "makes 3 of 3"),
        (Data("own", lambda: (1, 2, 3)), "give data.Splits"),
    ],
)
def test_parts_of_ones_own_that_do_not_fit_together_are_refused(made, told):
    with pytest.raises(UserError, match=told):
        made.splits  # noqa: B018


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ("time", "is no rule"),
        (data.by_time, "split=data.by_time is no rule"),
        (lambda *given: ([0, 1], [2]), "three parts"),
        (lambda *given: None, "three parts"),
        (lambda *given: ([0, 1], [1, 2], []), "sample 1 is in two parts"),
        (lambda *given: ([0, 1], [200], []), "indices from 0 to 29"),
        (data.by_index([0, [1, 2]], [3]), "indices from 0 to 29"),
        (data.by_group([None] + ["a", "b", "c"] * 9 + ["a", "b"]), "sample 0 has no group"),
        (data.by_group([float("nan")] + [1.0, 2.0] * 14 + [3.0]), "sample 0 has no group"),
        (data.by_group(np.array([1, "a"] * 15, dtype=object)), "all numbers or all texts"),
        (data.by_group([[1], [1, 2]] * 15), "groups must be numbers or texts"),
    ],
)
def test_a_split_that_is_none_or_leaks_is_refused(split, told):
    with pytest.raises(UserError, match=told):
        data.tensors(X, Y, split=split).splits  # noqa: B018


def test_numbers_of_windows_gaps_and_sounds_are_checked_and_may_be_numpys():
    series = np.arange(200.0)
    assert data.windows(series, np.int64(12), np.int64(3)).shape == (12, 1)
    for target in ("a", 1.0, True, [0, 1]):
        with pytest.raises(UserError, match="give the place of a feature"):
            data.windows(series, 12, target=target)
    with pytest.raises(UserError, match="leave a part without a window"):
        data.windows(series, 10**30).splits  # noqa: B018
    assert len(data.tensors(X, Y, split=data.by_time(gap=np.int64(2))).splits.test) == 6
    for wrong in ({"window": float("nan")}, {"hop": float("inf")}, {"high": "a"}):
        with pytest.raises(UserError, match="give a number"):
            data.log_mel(np.zeros((2, 1600)), 16_000, **wrong)


def test_pairs_are_lists_of_sequences_and_may_be_tensors():
    tokens = torch.arange(40).reshape(20, 2)
    assert data.pairs(tokens, tokens).splits.outputs == 43
    for wrong in ("a whole text", None, (word for word in "ab")):
        with pytest.raises(UserError, match="is no list of sequences"):
            data.pairs(wrong, wrong)
