from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from optnas import Training, UserError, data, parse, tasks
from optnas.tasks.regression import LOSSES
from optnas.train import fit

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 3))
Y = 5_000 + 300 * (X @ [1.0, -2.0, 0.5])


def prices(y: np.ndarray = Y) -> data.Data:
    return data.tensors(X, y, name="prices")


@pytest.mark.parametrize("y", [Y, np.stack([Y, -Y / 1000], axis=1)], ids=["one value", "two values"])
def test_metrics_are_scikit_learn_s_in_the_targets_own_unit(y: np.ndarray) -> None:
    task = tasks.regression(prices(y), metrics=["r2"])
    train, valid = task.data.splits.train.y, task.data.splits.validation.y
    outputs = torch.randn(len(valid), task.data.outputs, generator=torch.Generator().manual_seed(0))
    predicted = outputs.view_as(valid) * train.std(dim=0, correction=0) + train.mean(dim=0)
    found = task.measure(outputs, valid)
    assert found["mae"] == pytest.approx(mean_absolute_error(valid.flatten(), predicted.flatten()), rel=1e-4)
    assert found["rmse"] == pytest.approx(
        root_mean_squared_error(valid.flatten(), predicted.flatten()), rel=1e-4
    )
    assert found["r2"] == pytest.approx(r2_score(valid, predicted), rel=1e-4)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_every_loss_learns_values_far_from_zero(loss: str) -> None:
    torch.manual_seed(0)
    task = tasks.regression(prices(), loss=loss, metrics=["r2"])
    module = parse("head").build((3,), **task.context)
    training = Training(epochs=20, batch_size=16, lr=3e-2)
    found = fit(module, task, training, device=CPU, seed=0)
    assert found["r2"] > 0.99
    assert found["rmse"] < 100


def test_only_the_training_part_tells_the_scale() -> None:
    splits = prices().splits
    task = tasks.regression(prices())
    before = task.measure(torch.zeros(len(splits.train), 1), splits.train.y)["rmse"]
    assert before == pytest.approx(splits.train.y.std(correction=0).item(), rel=1e-5)


def test_the_losses_differ_as_their_names_say() -> None:
    outputs, far = torch.zeros(4, 1), 5_000 + torch.tensor([3000.0, -3000.0, 3000.0, -3000.0])
    mse, mae, huber = (
        tasks.regression(prices(), loss=kind).loss(outputs, far).item() for kind in ("mse", "mae", "huber")
    )
    assert mse > mae > huber
    assert huber == pytest.approx(mae - 0.5, rel=1e-4)  # beyond one deviation it is linear


def test_outputs_of_another_shape_are_never_broadcast() -> None:
    with pytest.raises(RuntimeError):
        tasks.regression(prices()).loss(torch.zeros(4, 4), torch.zeros(4))


def test_what_cannot_be_learned_is_refused() -> None:
    with pytest.raises(UserError, match=r"use tasks\.classification"):
        tasks.regression(data.sklearn("iris")).check()
    with pytest.raises(UserError, match="same everywhere"):
        tasks.regression(prices(np.ones(400))).check()
    with pytest.raises(UserError, match=r"a target of .*e\+20 is beyond 1e18"):
        tasks.regression(prices(Y * 1e17)).check()
    with pytest.raises(UserError, match="did you mean 'huber'"):
        tasks.regression(prices(), loss="hubert")
    with pytest.raises(UserError, match="does not measure 'accuracy'"):
        tasks.regression(prices(), metrics=["accuracy"])
    with pytest.raises(UserError, match="label_smoothing"):
        tasks.regression(prices()).loss(torch.zeros(4, 1), torch.zeros(4), label_smoothing=0.1)
