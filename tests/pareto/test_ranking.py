from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from optnas.pareto import contributions, ranks
from optnas.pareto.ranking import Ranking

point = st.integers(1, 4).flatmap(lambda m: st.lists(st.tuples(*[st.integers(0, 5)] * m), max_size=25))


def dominates(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool((a <= b).all() and (a < b).any())


def peeled(points: NDArray[np.float64]) -> list[int]:
    """Return ranks by their definition: front after front is taken away."""
    found, left, rank = [-1] * len(points), set(range(len(points))), 0
    while left:
        front = {
            i
            for i in left
            if not any((points[j] <= points[i]).all() and (points[j] < points[i]).any() for j in left)
        }
        for i in front:
            found[i] = rank
        left, rank = left - front, rank + 1
    return found


@given(point, st.sets(st.integers(0, 24)))
def test_ranks_are_the_same_however_the_points_come(points: list[tuple[int, ...]], dropped: set[int]) -> None:
    values = np.array(points, dtype=float)
    together, apart = Ranking(), Ranking()
    for i, each in enumerate(points):
        together.put(i, each)
        apart.put(i, each)
        apart.rank(i)
    expected = peeled(values)
    assert list(together.ranks().values()) == list(apart.ranks().values()) == expected
    assert expected == [] or ranks(values).tolist() == expected
    left = [i for i in range(len(points)) if i not in dropped]
    for i in dropped:
        apart.drop(i)
    assert [apart.ranks()[i] for i in left] == peeled(values[left])
    for i in left:
        apart.drop(i)
    assert apart.ranks() == {}
    for i, each in enumerate(points):
        apart.put(i, each)
    assert list(apart.ranks().values()) == expected


@given(point)
def test_a_point_that_moves_is_ranked_anew(points: list[tuple[int, ...]]) -> None:
    ranking = Ranking()
    for each in points:
        ranking.put("moving", each)
        ranking.put("first", points[0])
        assert sorted(ranking.ranks().values()) == sorted(peeled(np.array([points[0], each], dtype=float)))


def test_the_order_within_a_rank_goes_by_what_would_be_lost() -> None:
    ranking = Ranking()
    for name, values in {"best": (-1, -1), "a": (0, 9), "b": (1, 8), "c": (8, 1), "d": (9, 0)}.items():
        ranking.put(name, values)
    for i in range(5):  # which crowd the places around b
        ranking.put(i, (1.1 + i / 10, 7.9 - i / 10))
    for i in range(9):  # of a worse rank, with places beyond all and a few between c and d
        ranking.put(f"worse{i}", (8.7 + i / 10, 20 + i))

    def among(count: int) -> list[object]:
        return [name for name in ranking.ranks() if ranking.is_among_first(name, count)]

    assert among(1) == ["best"]
    assert among(3) == ["best", "a", "d"], "the ends reach to the reference point"
    assert among(4) == ["best", "a", "c", "d"]
    assert among(5) == ["best", "a", "b", "c", "d", *range(5)], "which would be lost alike"


def test_a_front_of_pairs_loses_what_each_alone_dominates() -> None:
    front = np.array([[0.0, 3.0], [1.0, 1.0], [3.0, 0.0], [3.0, 0.0]])
    assert contributions(front, (4.0, 4.0)).tolist() == [1.0, 4.0, 0.0, 0.0]


@given(point.filter(bool))
def test_behind_are_those_of_a_higher_rank(points: list[tuple[int, ...]]) -> None:
    ranking, ranked = Ranking(), ranks(np.array(points, dtype=float)).tolist()
    for i, each in enumerate(points):
        ranking.put(i, each)
    for i, rank in enumerate(ranked):
        assert ranking.count_worse(i) == sum(other > rank for other in ranked)
