"""Windows of a series: no step is in two parts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optnas import UserError, data


def steps_of(part: Any, by: Any) -> tuple[set[int], set[int]]:
    """Return the steps that a part's inputs and targets hold; the series is 0, 1, 2, …."""
    inputs = part.x.double() * by.deviation + by.mean
    return set(np.round(inputs.numpy().ravel()).astype(int)), set(part.y.numpy().ravel().astype(int))


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 3), st.integers(0, 7))
def test_no_step_is_in_two_parts_and_the_gap_is_kept(
    length: int, horizon: int, stride: int, gap: int
) -> None:
    splits = data.windows(np.arange(300.0), length, horizon, stride=stride, gap=gap).splits
    parts = [steps_of(part, splits.prepare.by) for part in (splits.train, splits.validation, splits.test)]
    for inputs, targets in parts:
        assert max(inputs) < max(targets)
    for (inputs, targets), (later_inputs, later_targets) in pairwise(parts):
        assert max(inputs | targets) + gap < min(later_inputs | later_targets)


def test_a_window_is_followed_by_its_target() -> None:
    series = np.stack([np.arange(100.0), np.arange(100.0) ** 2], axis=1)
    splits = data.windows(series, 4, 2, target=1).splits
    by = splits.prepare.by
    first = splits.train.x[5].double() * by.deviation[0] + by.mean[0]
    assert np.allclose(first[:, 0], [5, 6, 7, 8])
    assert splits.train.y[5].tolist() == [81, 100]
    assert splits.outputs == 2
    assert data.windows(series, 4, 2).splits.train.y.shape[1:] == (2, 2)
    assert data.windows(series, 4).shape == (4, 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"length": 0}, "length=0"),
        ({"length": 4, "horizon": 1.5}, "horizon=1.5"),
        ({"length": 4, "gap": -1}, "gap=-1"),
        ({"length": 30}, "leave a part without a window of 31 steps"),
        ({"length": 4, "target": 3}, "target=3 is none of 1 features"),
        ({"length": 4, "validation": 1.0}, "must leave some to train on"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        data.windows(np.arange(100.0), **arguments).splits  # noqa: B018


def test_gaps_in_a_series_are_refused() -> None:
    series = np.arange(100.0)
    series[7] = np.nan
    with pytest.raises(UserError, match="step 7 holds a value that is not a finite number"):
        data.windows(series, 4).splits  # noqa: B018
