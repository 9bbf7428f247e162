"""The distance to what has been found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optnas import choose, integer, ops, real, repeat
from optnas.measure.diversity import diversity

SPACE = ops.seq(
    repeat(
        choose(
            ops.conv(integer(8, 64, log=True, name="width")), ops.relu(), ops.swish(real(0.5, 2.5)), name="op"
        ),
        1,
        4,
        name="layer",
    )
)
DISTRIBUTIONS = SPACE.distributions()
SEEDS = st.integers(0, 10_000)


def params(seed: int) -> dict[str, object]:
    return SPACE.params(SPACE.sample(seed))


def between(one: dict[str, object], other: dict[str, object]) -> float:
    return diversity(DISTRIBUTIONS, one, [other])


def test_beside_nothing_everything_is_new() -> None:
    assert diversity(DISTRIBUTIONS, params(0), []) == 1


@given(SEEDS, SEEDS)
def test_the_distance_of_two_is_a_share_and_the_same_both_ways(first: int, second: int) -> None:
    one, other = params(first), params(second)
    assert 0 <= between(one, other) <= 1
    assert between(one, other) == pytest.approx(between(other, one))
    assert (between(one, other) == 0) == (one == other)


def test_parameters_count_alike_and_numbers_by_their_range() -> None:
    relu = {"layers": 1, "layer0.op": "relu"}
    assert between(relu, {**relu, "layers": 4}) == pytest.approx(1 / 2)
    assert between(relu, {**relu, "layers": 2}) == pytest.approx(1 / 6)
    # Another op, and a width that only one has.
    assert between(relu, {"layers": 1, "layer0.op": "conv", "layer0.width": 8}) == pytest.approx(2 / 3)
    narrow, wide = ({"layers": 1, "layer0.op": "conv", "layer0.width": width} for width in (8, 64))
    middle = {**narrow, "layer0.width": 22}  # about the geometric mean
    assert between(narrow, wide) == pytest.approx(1 / 3)
    assert between(narrow, middle) == pytest.approx(1 / 6, abs=0.01)


def test_how_it_is_trained_does_not_count() -> None:
    assert between({**params(3), "lr": 0.1}, {**params(3), "lr": 0.2}) == 0


def test_the_nearest_fifteen_count() -> None:
    here, there = {"layers": 1, "layer0.op": "relu"}, {"layers": 4, "layer0.op": "relu"}
    assert diversity(DISTRIBUTIONS, here, [there] * 30 + [here] * 15) == 0
    assert diversity(DISTRIBUTIONS, here, [there] * 30 + [here] * 10) == pytest.approx(0.5 * 5 / 15)
