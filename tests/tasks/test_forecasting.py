from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeCV

from optnas import Training, UserError, data, parse, tasks
from optnas.train import fit

RNG = np.random.default_rng(0)
TIME = np.arange(600)
# A daily wave and its square, in units far from 1, with some noise.
SERIES = np.stack([np.sin(TIME * np.pi / 12), 500 + 100 * np.sin(TIME * np.pi / 12) ** 2], axis=1)
SERIES = SERIES + RNG.normal(0, [0.1, 10], SERIES.shape)


def forecasts(**arguments: Any) -> tasks.Forecasting:
    chosen = {"target": 1, **arguments}
    return tasks.forecasting(data.windows(SERIES, 30, 4, **chosen), season=24, metrics=["smape", "r2"])


def test_mase_is_the_error_over_that_of_repeating_the_last_season_of_the_training_part() -> None:
    task = forecasts()
    targets = task.data.splits.validation.y
    assert task.measure(torch.zeros(targets.shape), targets)["mase"] == pytest.approx(
        np.abs(targets.numpy() - task.data.splits.train.y.numpy().mean(axis=0)).mean()
        / np.abs(SERIES[24:360, 1] - SERIES[:336, 1]).mean(),
        rel=1e-5,
    )


def test_mase_of_several_features_is_the_mean_over_them_whatever_their_units() -> None:
    both, each = forecasts(target=None), [forecasts(target=0), forecasts(target=1)]
    assert both.output_shape == (8,)
    targets = both.data.splits.validation.y
    outputs = torch.randn(len(targets), 4, 2, generator=torch.Generator().manual_seed(0))
    alone = [task.measure(outputs[..., i], targets[..., i])["mase"] for i, task in enumerate(each)]
    found = both.measure(outputs.flatten(1), targets)
    assert found["mase"] == pytest.approx(np.mean(alone), rel=1e-5)
    assert found["r2"] < 1
    assert 0 < found["smape"] < 2


@pytest.mark.parametrize("target", [1, None])
def test_the_naive_forecasts_repeat_what_came_before_the_target(target: int | None) -> None:
    task = forecasts(target=target)
    begins = 360 + np.arange(120 - 34 + 1)
    series = SERIES[:, 1] if target else SERIES
    later = begins[:, None] + 30 + np.arange(4)
    scale = np.abs(series[24:360] - series[:336]).mean(axis=0)
    found = task.baselines()
    for name, earlier in (("naive", begins[:, None] + 29), ("seasonal naive", later - 24)):
        errors = np.abs(series[later] - series[earlier])
        assert found[name]["mase"] == pytest.approx((errors.mean(axis=(0, 1)) / scale).mean(), rel=1e-4)
    assert list(found) == ["naive", "seasonal naive", "ridge regression"]


def test_the_ridge_regression_is_scikit_learn_s_on_the_flattened_windows() -> None:
    task = forecasts()
    splits = task.data.splits
    x, new = (splits.prepare(part.x).flatten(1) for part in (splits.train, splits.validation))
    predicted = RidgeCV(alphas=np.logspace(-2, 4, 7)).fit(x, splits.train.y).predict(new)
    mae = np.abs(predicted - splits.validation.y.numpy()).mean()
    assert task.baselines()["ridge regression"]["mae"] == pytest.approx(mae, rel=0.02)


def test_a_season_that_no_window_holds_has_no_seasonal_naive_forecast() -> None:
    short = tasks.forecasting(data.windows(SERIES, 10, 30, target=1), season=24)
    assert list(short.baselines()) == ["naive", "ridge regression"]


def test_a_network_learns_to_forecast_two_features_better_than_the_last_season() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    task = forecasts(target=None)
    task.check()
    module = parse("seq(flatten, head)").build(task.data.shape, **task.context)
    found = fit(module, task, Training(epochs=9, batch_size=16, lr=1e-2), device=torch.device("cpu"), seed=0)
    assert found["mase"] < task.baselines()["seasonal naive"]["mase"] < task.chance["mase"]
    deviation, mean = task.output_scale
    with torch.inference_mode():
        values = module(task.data.splits.validation.x) * deviation + mean
    errors = (values.view(-1, 4, 2) - task.data.splits.validation.y).abs()
    assert errors.mean().item() == pytest.approx(found["mae"], rel=1e-4)


def test_no_constant_forecast_is_better_than_chance() -> None:
    task = forecasts()
    targets = task.data.splits.validation.y
    mean, deviation = task.data.splits.train.y.mean(dim=0), task.data.splits.train.y.std(dim=0, correction=0)
    found = [
        task.measure(((constant - mean) / deviation).expand(targets.shape), targets)["mase"]
        for constant in np.linspace(400, 700, 31)
    ]
    assert min(found) >= task.chance["mase"] - 1e-6
    assert all(a != b for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tasks.forecasting(data.digits()), r"is no windows of a series: use data\.windows"),
        (lambda: tasks.forecasting(data.windows(SERIES, 4), season=0), "season=0"),
        (lambda: tasks.forecasting(data.windows(SERIES, 4), metrics=["accuracy"]), "forecasting does not"),
        (lambda: tasks.forecasting(data.windows(SERIES, 4), season=360).check(), "no season of 360"),
        (lambda: tasks.forecasting(data.windows(TIME % 24, 4), season=24).check(), "give another season"),
    ],
)
def test_what_cannot_be_forecast_or_measured_is_one_line(make: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make()
