from __future__ import annotations

import random

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optnas.samplers.domain import FlatDomain, sampled
from optnas.samplers.vector import VectorSpace

EVERY_KIND: dict[str, BaseDistribution] = {
    "real": FloatDistribution(-3, 5),
    "log": FloatDistribution(1e-5, 1e-1, log=True),
    "tenths": FloatDistribution(0, 1, step=0.1),
    "few": IntDistribution(2, 10, step=2),
    "octaves": IntDistribution(8, 256, log=True),
    "many": IntDistribution(0, 10**6),
    "two": IntDistribution(0, 1),
    "one": IntDistribution(3, 3),
    "choice": CategoricalDistribution(["a", "b", None]),
}


@pytest.mark.parametrize("seed", range(5))
def test_decoding_gives_back_what_was_encoded(seed: int) -> None:
    domain = FlatDomain(EVERY_KIND)
    shape = VectorSpace(domain)
    params = sampled(domain, random.Random(seed))
    places = shape.places(params)
    assert np.all((places >= 0) & (places <= 1))
    decoded = shape.decoded(
        places[: len(shape.continuous)], places[len(shape.continuous) :], shape.shares(params)
    )
    assert decoded.keys() == params.keys()
    for name, value in params.items():
        assert decoded[name] == (pytest.approx(value) if isinstance(value, float) else value)
        assert isinstance(decoded[name], type(value))


def test_numbers_of_two_values_are_categorical_and_those_of_very_many_continuous() -> None:
    shape = VectorSpace(FlatDomain(EVERY_KIND))
    assert len(shape.continuous) == 3
    assert [len(places) for places in shape.stepped] == [11, 5, 249]
    assert shape.categories == [2, 3]
    assert shape.size == 8


def test_what_a_candidate_has_not_is_left_open() -> None:
    shape = VectorSpace(FlatDomain(EVERY_KIND))
    assert np.isnan(shape.places({})).all()
    np.testing.assert_allclose(shape.shares({}), [[0.5, 0.5, 0], [1 / 3] * 3])


def test_parameters_that_a_candidate_does_not_need_are_left_out() -> None:
    domain = FlatDomain(
        {"op": CategoricalDistribution(["conv", "pool", "skip"]), "width": IntDistribution(1, 9)},
        inactive_with={"width": {"op": frozenset({"pool", "skip"})}},
    )
    shape = VectorSpace(domain)
    assert shape.decoded([], [0.5], [[1, 0, 0]]) == {"op": "conv", "width": 5}
    assert shape.decoded([], [0.5], [[0, 1, 0]]) == {"op": "pool"}
