"""Splits by time, by group and as given: what must not leak does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optnas import UserError, data


def indices(count: int, split: Any, **shares: float) -> list[list[int]]:
    """Return the samples of each part, by their only feature."""
    x = np.arange(count)
    splits = data.tensors(x, x * 1.0, split=split, kinds="ids", **shares).splits
    return [part.x.tolist() for part in (splits.train, splits.validation, splits.test)]


@given(st.integers(10, 200), st.integers(0, 20), st.sampled_from([0.0, 0.1, 0.3]))
def test_by_time_the_past_trains_and_the_gap_is_kept(count: int, gap: int, test: float) -> None:
    try:
        train, validation, tested = indices(count, data.by_time(gap=gap), validation=0.2, test=test)
    except UserError as error:
        assert "leave none to train on" in str(error)  # noqa: PT017
        return
    assert train == list(range(len(train)))
    assert validation[0] - train[-1] == gap + 1
    assert len(validation) == max(1, round(0.2 * count))
    if tested:
        assert tested[0] - validation[-1] == gap + 1
    assert (tested or validation)[-1] == count - 1


@given(st.lists(st.integers(0, 12), min_size=30, max_size=60))
def test_no_group_is_in_two_parts(groups: list[int]) -> None:
    if len(set(groups)) < 5:
        return
    parts = indices(len(groups), data.by_group(groups))
    assert sorted(sample for part in parts for sample in part) == list(range(len(groups)))
    of = [{groups[sample] for sample in part} for part in parts]
    assert sum(map(len, of)) == len(set.union(*of))


def test_groups_may_be_texts() -> None:
    people = [f"person {i // 5}" for i in range(50)]
    parts = indices(50, data.by_group(people))
    assert all(len(part) % 5 == 0 for part in parts)


def test_parts_are_as_given_by_index_or_by_booleans() -> None:
    assert indices(6, data.by_index([4, 0], [1], [2])) == [[4, 0], [1], [2]]
    early = np.arange(6) < 3
    assert indices(6, data.by_index(early, ~early)) == [[0, 1, 2], [3, 4, 5], []]


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (data.by_index([0, 1], [1]), "sample 1 is in two parts"),
        (data.by_index([0, 0], [1]), "sample 0 is in two parts, or twice in one"),
        (data.by_index([0], []), "others for validation"),
        (data.by_index([0, 6], [1]), "indices from 0 to 5"),
        (data.by_index([0], [-1]), "indices from 0 to 5"),
        (data.by_index([0.5], [1]), "indices from 0 to 5"),
        (data.by_group([1, 2]), r"groups of shape \(2,\) do not fit 6 samples"),
        (data.by_group([1] * 6), "cannot be split in three"),
        (data.by_time(gap=9), "leave none to train on"),
    ],
)
def test_a_split_that_cannot_be_is_one_line(split: Any, said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        indices(6, split)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("gap", [-1, 1.5, True])
def test_a_gap_is_a_number_of_samples(gap: Any) -> None:
    with pytest.raises(UserError, match="give a number of samples"):
        data.by_time(gap=gap)
