from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optnas.pareto import hypervolume
from optnas.samplers.improvement import Known, Normal, expected_improvement, log_distance

RNG = np.random.default_rng(0)


@given(st.integers(1, 3), st.integers(0, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_of_what_is_known_it_is_the_improvement(objectives: int, points: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    front, candidates = rng.random((points, objectives)), rng.random((5, objectives))
    reference = [1.0] * objectives
    found = expected_improvement(front, reference, [Known(column) for column in candidates.T])
    for candidate, gain in zip(candidates, found, strict=True):
        enlarged = hypervolume(np.vstack([front, candidate]), reference)
        assert gain == pytest.approx(enlarged - hypervolume(front, reference), abs=1e-12)


@pytest.mark.parametrize("known", [(), (1,), (0, 2)])
def test_of_what_is_believed_it_is_the_mean_improvement(known: tuple[int, ...]) -> None:
    front, reference = RNG.random((6, 3)), [1.0, 1.0, 1.0]
    mean, deviation = RNG.random(3), np.array([0.3, 0.2, 0.4])
    deviation[list(known)] = 0
    beliefs = [Known(mean[[i]]) if i in known else Normal(mean[[i]], deviation[[i]]) for i in range(3)]
    drawn = mean + deviation * RNG.standard_normal((1_000, 3))
    before = hypervolume(front, reference)
    gains = [hypervolume(np.vstack([front, point]), reference) - before for point in drawn]
    error = np.std(gains) / np.sqrt(len(gains))
    (found,) = expected_improvement(front, reference, beliefs)
    assert found == pytest.approx(np.mean(gains), abs=5 * error + 1e-4)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_log_distances_keep_the_order(
    values: list[float],
) -> None:
    found = np.array(values)
    scaled = log_distance(found)(found)
    assert np.isfinite(scaled).all()
    order = np.argsort(found, kind="stable")
    assert (np.diff(scaled[order]) >= 0).all()


def test_a_log_distance_tells_the_good_from_the_better_however_bad_the_worst() -> None:
    errors = np.array([5.0, 6.0, 7.0, 8.0, 90.0])
    scaled = log_distance(errors)(errors)
    assert scaled[2] - scaled[0] == pytest.approx(np.log(2))
    assert scaled[4] - scaled[0] < 4
    other_unit = 3 * errors - 100
    assert np.diff(log_distance(other_unit)(other_unit)) == pytest.approx(np.diff(scaled))
