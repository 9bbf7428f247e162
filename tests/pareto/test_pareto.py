from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from optuna._hypervolume import compute_hypervolume
from optuna.study._multi_objective import _fast_non_domination_rank

from optnas.pareto import boxes, contributions, front, hypervolume, in_decades, ranks, scaled

# Few distinct values, so that equal ones and equal points are common.
points = st.integers(1, 4).flatmap(
    lambda m: arrays.arrays(
        float, st.tuples(st.integers(1, 25), st.just(m)), elements=st.integers(0, 6).map(float)
    )
)


@given(points)
def test_ranks_are_those_of_optuna(values: NDArray[np.float64]) -> None:
    assert list(ranks(values)) == list(_fast_non_domination_rank(values))


@given(points)
def test_the_hypervolume_is_that_of_optuna(values: NDArray[np.float64]) -> None:
    reference = np.full(values.shape[1], 6.5)
    assert hypervolume(values, reference) == pytest.approx(compute_hypervolume(values, reference))


@given(points)
def test_what_lies_beyond_the_reference_adds_nothing(values: NDArray[np.float64]) -> None:
    reference = [3.0] * values.shape[1]
    inside = values[np.all(values < 3, axis=1)]
    assert hypervolume(values, reference) == pytest.approx(hypervolume(inside, reference))


@given(points)
def test_only_a_point_of_the_front_that_no_other_equals_contributes(values: NDArray[np.float64]) -> None:
    lost = contributions(values, [7.0] * values.shape[1])
    best = set(front(values))
    for i, point in enumerate(values):
        alone = sum(np.array_equal(point, other) for other in values) == 1
        assert (lost[i] > 1e-12) == (i in best and alone)


def test_costs_go_in_as_decades_and_others_as_they_are() -> None:
    found = in_decades(np.array([[0.1, 1e3], [0.2, 1e6]]))
    assert found.tolist() == [[0.1, 3.0], [0.2, 6.0]]


def test_scaled_values_do_not_depend_on_the_unit() -> None:
    values = np.array([[0.1, 1e3], [0.2, 1e6], [0.4, 1e4]])
    other_unit = values * [100.0, 1e-6]
    assert scaled(values) == pytest.approx(scaled(other_unit))
    assert scaled(values).min() == 0
    assert scaled(values).max() == 1


def test_an_infinite_value_is_the_worst() -> None:
    assert scaled(np.array([[0.0], [1.0], [np.inf], [np.nan]]))[:, 0].tolist() == [0, 1, 1, 1]


def test_no_points_have_no_front_and_no_volume() -> None:
    assert len(front(np.zeros((0, 2)))) == 0
    assert hypervolume(np.zeros((0, 2)), [1, 1]) == 0


@given(points)
def test_boxes_fill_what_is_left_undominated_without_overlap(values: NDArray[np.float64]) -> None:
    reference = np.full(values.shape[1], 5.5)
    lower, upper = boxes(values, reference)
    assert (lower < upper).all()
    volume = np.prod(upper - np.maximum(lower, -1.0), axis=1).sum()
    assert volume == pytest.approx(np.prod(reference + 1.0) - hypervolume(values, reference))
    for middle in (np.maximum(lower, -1.0) + upper) / 2:
        assert not (values <= middle).all(axis=1).any()


def test_the_largest_numbers_are_scaled_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points = scaled(np.array([[-1e308, 1.0], [0.0, 1e300], [1e308, 1e308], [np.inf, -np.inf]]))
    assert points[:, 0] == pytest.approx([0.0, 0.5, 1.0, 1.0])
