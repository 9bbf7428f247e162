from __future__ import annotations

import pytest

from optnas.train.schedule import SCHEDULES, learning_rate


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_warm_up_rises_from_a_tenth_and_the_schedule_takes_the_rest(schedule: str) -> None:
    assert learning_rate(schedule, 0.5, 0.0) == pytest.approx(0.1)
    assert learning_rate(schedule, 0.5, 0.25) == pytest.approx(0.55)
    assert learning_rate(schedule, 0.5, 0.5) == pytest.approx(1.0)
    assert learning_rate(schedule, 0.0, 0.0) == 1.0


def test_each_schedule_has_its_own_warm_up() -> None:
    assert learning_rate("one-cycle", None, 0.0) == pytest.approx(0.1)
    assert learning_rate("one-cycle", None, 0.25) == 1.0
    assert learning_rate("cosine", None, 0.0) == 1.0
    assert learning_rate("cosine", None, 0.5) == pytest.approx(0.5)
    assert learning_rate("cosine", None, 0.999999) == pytest.approx(0.0, abs=1e-6)
    assert learning_rate("constant", None, 0.7) == 1.0
