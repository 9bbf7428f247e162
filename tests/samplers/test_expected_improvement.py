from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optnas.pareto import boxes, hypervolume
from optnas.samplers.expected_improvement import Known, LogDistance, LogNormal, expected_improvement

RNG = np.random.default_rng(0)


@given(st.integers(1, 3), st.integers(0, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_of_what_is_known_it_is_the_improvement(objectives: int, points: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    front, candidates = rng.random((points, objectives)), rng.random((5, objectives))
    reference = [1.0] * objectives
    found = expected_improvement(*boxes(front, reference), [Known(column) for column in candidates.T])
    for candidate, gain in zip(candidates, found, strict=True):
        enlarged = hypervolume(np.vstack([front, candidate]), reference)
        assert gain == pytest.approx(enlarged - hypervolume(front, reference), abs=1e-12)


@pytest.mark.parametrize("known", [(), (1,), (0, 2)])
def test_of_what_is_believed_it_is_the_mean_improvement(known: tuple[int, ...]) -> None:
    front, reference = RNG.random((6, 3)), [1.0, 1.0, 1.0]
    mean, deviation, floor = RNG.random(3) - 1, np.array([0.3, 0.2, 0.4]), np.array([0.0, -0.2, -0.5])
    deviation[list(known)] = 0
    drawn = floor + np.exp(mean + deviation * RNG.standard_normal((1_000, 3)))
    beliefs = [
        Known(drawn[:1, i]) if i in known else LogNormal(mean[[i]], deviation[[i]], floor[i])
        for i in range(3)
    ]
    before = hypervolume(front, reference)
    gains = [hypervolume(np.vstack([front, point]), reference) - before for point in drawn]
    error = np.std(gains) / np.sqrt(len(gains))
    (found,) = expected_improvement(*boxes(front, reference), beliefs)
    assert found == pytest.approx(np.mean(gains), abs=5 * error + 1e-4)


def test_nothing_is_expected_below_the_floor_and_ever_more_above() -> None:
    belief = LogNormal(np.array([0.0, 5.0]), np.array([0.5, 3.0]), floor=2.0)
    below = belief.below(np.array([-np.inf, 1.0, 2.0, 2.1, 3.0, 1e9]))
    assert (below[:, :3] == 0).all()
    assert (np.diff(below[:, 2:], axis=1) > 0).all()
    assert below[:, -1] == pytest.approx(1e9 - 2 - np.exp([0.125, 9.5]))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_log_distances_keep_the_order(values: list[float]) -> None:
    found = np.array(values)
    scaled = LogDistance.of(found, found.max())(found)
    assert np.isfinite(scaled).all()
    order = np.argsort(found, kind="stable")
    assert (np.diff(scaled[order]) >= 0).all()


def test_a_log_distance_tells_the_good_from_the_better_however_bad_the_worst() -> None:
    errors = np.array([5.0, 6.0, 7.0, 8.0, 90.0])
    scale = LogDistance.of(errors, 90.0)
    scaled = scale(errors)
    assert scale.inverse(scaled) == pytest.approx(errors)
    assert scaled[2] - scaled[0] == pytest.approx(np.log(2))
    assert scaled[4] - scaled[0] < 4
    other_unit = 3 * errors - 100
    assert np.diff(LogDistance.of(other_unit, 170.0)(other_unit)) == pytest.approx(np.diff(scaled))


def test_log_distances_beyond_what_counts_are_not_told_apart() -> None:
    errors = np.array([5.0, 6.0, 7.0, 40.0, 90.0])
    scaled = LogDistance.of(errors, 8.0)(errors)
    assert scaled[3] == scaled[4]
    assert scaled[3] > scaled[2]
    scaled = LogDistance.of(errors, 50.0)(errors)
    assert scaled[4] > scaled[3]
