"""How many trials run at once is found by what is measured."""

from __future__ import annotations

import random

import pytest

from optnas.run.packing import Packing


def run(packing: Packing, speed, seed: int = 0, trials: int = 2_000) -> int:
    """Simulate trials of random lengths; ``speed`` of so many at once is that of all together."""
    rng, clock = random.Random(seed), 0.0
    left: list[float] = []
    for _ in range(trials):
        left += [rng.lognormvariate(0, 0.5) for _ in range(packing.count - len(left))]
        # Each of those at once goes on at its share of the speed until the first one ends.
        step = min(left)
        clock += step * len(left) / speed(len(left))
        left = [each - step for each in left]
        left.remove(min(left))
        left = left[: packing.count]
        packing.ended(clock)
        if packing.settled:
            break
    return packing.count


@pytest.mark.parametrize(
    ("best", "speeds"),
    [
        (1, {1: 1, 2: 1, 4: 1}),
        (4, {1: 1, 2: 1.7, 4: 2.6, 8: 2.6, 16: 2.5}),
        (8, {1: 1, 2: 1.8, 4: 3, 8: 5, 16: 4.5}),
    ],
)
def test_it_grows_while_that_finishes_more_trials_an_hour(best: int, speeds: dict[int, float]) -> None:
    def speed(count: int) -> float:
        return speeds.get(count, max(speeds.values()))

    found = sorted(run(Packing(None), speed, seed) for seed in range(20))
    assert found[10] == best
    # A few are misled by trials that happened to be short or long.
    assert sum(speed(count) >= 0.8 * max(speeds.values()) and count <= 2 * best for count in found) >= 17


def test_it_never_runs_more_than_memory_has_room_for_nor_than_the_most() -> None:
    assert run(Packing(None, has_room=lambda: False), lambda count: count) == 1
    assert run(Packing(None, most=4), lambda count: count) == 4


def test_a_number_that_was_given_stays() -> None:
    packing = Packing(3)
    assert run(packing, lambda count: count) == 3
    assert packing.settled
    assert not packing.rates
