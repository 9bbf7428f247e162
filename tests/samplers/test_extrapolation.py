from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from optnas.samplers.extrapolation import extrapolated

NAN = (np.nan, np.nan)


def told(*trials: tuple[dict[int, tuple[float, float]], tuple[float, float]]) -> list[list[float]]:
    rungs = [{rung: np.array(values) for rung, values in reached.items()} for reached, _ in trials]
    return extrapolated(rungs, np.array([values for _, values in trials])).tolist()


def test_a_pruned_trial_is_expected_to_gain_what_its_equals_gained() -> None:
    good, bad = ({1: (4.0, 7.0)}, (1.0, 7.0)), ({1: (8.0, 5.0)}, (3.0, 5.0))
    assert told(good, bad, ({1: (6.0, 6.0)}, NAN)) == [[1, 7], [3, 5], [2, 6]]
    assert told(good, bad, ({1: (10.0, 9.0)}, NAN))[2] == [5, 9], "worse than all by 2 is so in the end"


def test_trials_are_compared_at_the_rung_that_they_reached_last() -> None:
    went_on = ({1: (9.0, 1.0), 3: (5.0, 1.0)}, (1.0, 1.0))
    assert told(went_on, ({1: (9.0, 2.0)}, NAN), ({1: (9.5, 2.0), 3: (6.0, 2.0)}, NAN))[1:] == [
        [1, 2],
        [2, 2],
    ]


def test_where_nobody_went_on_nothing_is_gained_and_without_a_rung_nothing_is_known() -> None:
    found = told(({}, (1.0, 1.0)), ({3: (5.0, 2.0)}, NAN), ({}, NAN))
    assert found[:2] == [[1, 1], [5, 2]]
    assert np.isnan(found[2]).all()


numbers = st.integers(-20, 20).map(float)


@given(st.lists(st.tuples(numbers, numbers), max_size=8), st.lists(numbers, max_size=8))
def test_pruned_trials_keep_their_order_and_units_change_nothing(
    went_on: list[tuple[float, float]], pruned: list[float]
) -> None:
    def found(scale: float, shift: float) -> np.ndarray:
        rungs = [{1: np.array([scale * now + shift])} for now, _ in went_on]
        rungs += [{1: np.array([scale * now + shift])} for now in pruned]
        values = [[scale * end + shift] for _, end in went_on] + [[np.nan]] * len(pruned)
        return extrapolated(rungs, np.array(values).reshape(-1, 1))[len(went_on) :, 0]

    expected = found(1.0, 0.0)
    order = np.argsort(pruned, kind="stable")
    assert (np.diff(expected[order]) >= -1e-9).all()
    np.testing.assert_allclose(found(-8.0, 3.0), -8.0 * expected + 3.0, atol=1e-9)
