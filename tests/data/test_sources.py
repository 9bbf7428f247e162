from __future__ import annotations

import numpy as np
import pytest
import torch

from optnas import UserError, data


def test_digits_come_in_three_parts_with_every_class_in_its_share() -> None:
    splits = data.digits().splits
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [1078, 359, 360]
    for part in (splits.train, splits.validation, splits.test):
        shares = torch.bincount(part.y) / len(part)
        assert shares.min() > 0.08
        assert shares.max() < 0.12
    assert data.digits().shape == (1, 8, 8)
    assert data.digits().outputs == 10


def test_no_sample_is_in_two_parts() -> None:
    x = np.arange(200.0).reshape(200, 1)
    splits = data.tensors(x, np.arange(200) % 4).splits
    parts = [set(part.x[:, 0].tolist()) for part in (splits.train, splits.validation, splits.test)]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 200


def test_only_the_training_part_tells_the_normalisation() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(5, 3, size=(500, 3, 4, 4)), np.arange(500) % 5
    splits = data.tensors(x, y).splits
    means = splits.train.x.mean(dim=(0, 2, 3))
    assert torch.allclose(means, torch.zeros(3), atol=1e-5)
    assert torch.allclose(splits.train.x.std(dim=(0, 2, 3)), torch.ones(3), atol=1e-3)
    assert splits.validation.x.mean().abs() > 1e-4


def test_a_constant_feature_stays_finite() -> None:
    x = np.ones((100, 2))
    x[:, 1] = np.arange(100)
    splits = data.tensors(x, np.arange(100) % 2).splits
    assert torch.isfinite(splits.train.x).all()


def test_the_seed_decides_the_split() -> None:
    one, again, other = (data.digits(seed=seed).splits.train.y for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_nothing_is_loaded_before_it_is_looked_at() -> None:
    loaded = []
    held = data.Data("held", lambda: loaded.append(1) or data.digits().splits)
    assert not loaded
    assert held.outputs == 10
    assert held.on(torch.device("cpu")) is held.on(torch.device("cpu"))
    assert loaded == [1]


def test_without_a_test_part_it_is_empty() -> None:
    splits = data.tensors(np.zeros((50, 1)), np.arange(50) % 2, test=0).splits
    assert len(splits.test) == 0


@pytest.mark.parametrize("scale", [1e-20, 1e20, 1e37])
def test_large_and_small_numbers_are_normalised_as_others(scale: float) -> None:
    x = np.random.default_rng(0).normal(size=(100, 2))
    plain, scaled = (data.tensors(factor * x, np.arange(100) % 2).splits.train.x for factor in (1, scale))
    assert torch.allclose(plain, scaled, atol=1e-5)


def test_a_sample_far_from_the_training_part_is_no_nan() -> None:
    x = np.random.default_rng(0).normal(size=(50, 2))
    x[7, 1] = 1e30
    for seed in range(5):  # in the training part, or outside it
        try:
            train = data.tensors(x, np.arange(50) % 2, seed=seed).splits.train.x
        except UserError as error:
            assert "sample 7 is too far from all that the training part has" in str(error)  # noqa: PT017
        else:
            assert train.isfinite().all()
