"""The mixed problems of the samplers benchmark."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from optnas.samplers.domain import sampled
from tests.files import REPOSITORY

NAMES = ["dsintlftl", "dsintlftl-5", "dsintcom", "dsintproximity"]


@pytest.fixture
def problems(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(REPOSITORY / "examples" / "benchmarks")
    import mixed_problems

    return mixed_problems


def candidate(place: float, categories: str) -> dict[str, Any]:
    """Return a candidate with all numbers at one place and a category for each digit."""
    each = range(len(categories))
    return {
        **{f"x{i}": place for i in each},
        **{f"z{i}": place for i in each},
        **{f"c{i}": f"category {digit}" for i, digit in enumerate(categories)},
    }


@pytest.mark.parametrize(
    ("name", "place", "categories", "values"),
    [
        ("dsintlftl", 0, "000", (0, 3)),
        ("dsintlftl", 10, "444", (3, 0)),
        ("dsintlftl", 5, "044", (1 / 2 + 2 / 3, 1 / 2 + 1 / 3)),
        ("dsintlftl", 15, "404", (2 * 2.25 + 1, 2 * 0.25 + 2 / 3)),  # the first is no 0: none leads
        ("dsintcom", 15, "404", (2 * 2.25 + 2 / 3, 2 * 0.25 + 1 / 3)),
        ("dsintproximity", 5, "222", (0.5, 0.5)),
        ("dsintproximity", 5, "022", (0.5 + 0.5 / 3, 0.5 + 0.5 / 3)),  # two of six numbers are half away
    ],
)
def test_values_of_known_candidates(
    problems: ModuleType, name: str, place: float, categories: str, values: tuple[float, float]
) -> None:
    found = problems.PROBLEMS[name].evaluated(candidate(place, categories))
    assert found == pytest.approx(values)


@pytest.mark.parametrize("name", NAMES)
def test_the_true_front_is_where_it_is_said_to_be(problems: ModuleType, name: str) -> None:
    problem = problems.PROBLEMS[name]
    front = problem.true_front
    assert (np.diff(front[:, 0]) > 0).all()
    assert (np.diff(front[:, 1]) < 0).all()
    assert problem.volume(front) == pytest.approx(1)
    # Both optima lie on it, and with no ties what has all numbers halfway between them.
    ends = [candidate(0, "0" * problem.size), candidate(10, "4" * problem.size)]
    np.testing.assert_allclose(front[[0, -1]], [problem.evaluated(end) for end in ends], atol=1e-12)
    middle = np.array(problem.evaluated(candidate(5, "0" * (problem.size - 1) + "4")))
    if name != "dsintproximity":
        assert np.abs(front - middle).max(axis=1).min() < 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_no_candidate_is_beyond_the_true_front(problems: ModuleType, name: str) -> None:
    problem, rng = problems.PROBLEMS[name], random.Random(0)
    for _ in range(300):
        # Close to the front: all numbers at one place between the optima, and categories of either optimum.
        firsts = rng.randint(0, problem.size)
        close = candidate(rng.randint(0, 10), "0" * firsts + "4" * (problem.size - firsts))
        for params in (close, sampled(problem.domain, rng)):
            values = np.array(problem.evaluated(params))
            assert not (values < problem.true_front - 1e-4).all(axis=1).any()
