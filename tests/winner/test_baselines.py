"""Simple models on the split of a trained network."""

from __future__ import annotations

import pytest
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression

from optnas import data, maximize, minimize, tasks
from optnas.winner.all_data import with_all_data
from optnas.winner.baselines import better_told, compared


def test_models_of_classes_are_measured_as_networks_are_on_the_very_split() -> None:
    task = tasks.classification(data.digits())
    found = compared(task, task)
    assert found["left_out"] is None
    names = [each["name"] for each in found["models"]]
    assert names == ["the most frequent class", "logistic regression", "random forest"]
    splits = task.data.splits
    x, new = (splits.prepare(part.x).flatten(1).double().numpy() for part in (splits.train, splits.test))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).numpy()
    by_hand = LogisticRegression(max_iter=300).fit(x[order], splits.train.y.numpy()[order])
    score = by_hand.score(new, splits.test.y.numpy())
    assert found["models"][1]["test"]["accuracy"] == pytest.approx(score, abs=1e-6)
    assert found["models"][2]["validation"]["accuracy"] > 0.9
    assert found["models"][0]["test"]["loss"] == pytest.approx(torch.tensor(10.0).log().item(), abs=0.01)
    both = compared(task, with_all_data(task))["models"][1]
    assert both["samples"] == len(splits.train) + len(splits.validation)
    assert (both["validation"], both["test"].keys()) == ({}, found["models"][1]["test"].keys())


def test_models_of_values_answer_in_the_unit_of_the_targets() -> None:
    task = tasks.regression(data.sklearn("diabetes"))
    mean, ridge, trees = compared(task, task)["models"]
    assert [mean["name"], ridge["name"], trees["name"]] == [
        "the mean",
        "ridge regression",
        "gradient boosting",
    ]
    splits = task.data.splits
    assert mean["test"]["rmse"] == pytest.approx(
        (splits.test.y - splits.train.y.mean()).square().mean().sqrt().item(), rel=1e-4
    )
    assert ridge["test"]["rmse"] < mean["test"]["rmse"]
    order = torch.randperm(len(splits.train), generator=torch.Generator().manual_seed(0))
    x, y = (each[order].numpy() for each in (splits.prepare(splits.train.x).double(), splits.train.y))
    by_hand = HistGradientBoostingRegressor(random_state=0).fit(x, y)
    off = by_hand.predict(splits.prepare(splits.test.x).double().numpy()) - splits.test.y.numpy()
    assert trees["test"]["rmse"] == pytest.approx((off**2).mean() ** 0.5, rel=1e-4)


def test_what_simple_models_do_not_take_is_said() -> None:
    x, ids = torch.randn(60, 3), torch.randint(0, 5, (60, 4))
    y = torch.arange(60) % 2
    reasons = {
        "there are several": tasks.classification(data.tensors({"a": x, "b": x}, y, name="two")),
        "inputs are ids": tasks.classification(data.tensors(ids, y, name="ids", kinds="ids")),
        "are for a class or values": tasks.classification(
            data.tensors(
                torch.randn(60, 4, 3), torch.randint(0, 2, (60, 4)), layout="channels_last", name="t"
            )
        ),
    }
    for said, task in reasons.items():
        found = compared(task, task)
        assert found["models"] == []
        assert said in found["left_out"]


def test_simple_models_that_are_as_good_as_the_network_are_told() -> None:
    models = [
        {"name": name, "samples": 9, "validation": {}, "test": {"accuracy": accuracy, "loss": 1 - accuracy}}
        for name, accuracy in (("a constant", 0.3), ("logistic regression", 0.9), ("random forest", 0.8))
    ]
    test = {"accuracy": {"mean": 0.8, "deviation": None}, "loss": {"mean": 0.05, "deviation": None}}
    record = {"test": test, "validation": test, "baselines": {"models": models, "left_out": None}}
    told = better_told(record, maximize("accuracy"))
    assert told.startswith(
        "Simple models do as well or better in accuracy on the test part: logistic regression 0.9000,"
        " random forest 0.8000; the network 0.8000."
    )
    assert better_told(record, minimize("loss")) is None
    alone = {**record, "ensemble": {"test": {"accuracy": 0.85, "loss": 0.05}}}
    assert better_told(alone, maximize("accuracy")).startswith("A simple model does as well or better")
    assert better_told(record, maximize("accuracy - flops", name="score")) is None


def test_what_a_task_has_of_its_own_comes_first() -> None:
    class Known(tasks.Classification):
        def baselines(self) -> dict[str, dict[str, float]]:
            return {"a rule": {"accuracy": 0.5}}

    task = Known(data.sklearn("iris"))
    first = compared(task, task)["models"][0]
    assert (first["name"], first["validation"], first["test"]) == ("a rule", {"accuracy": 0.5}, {})
