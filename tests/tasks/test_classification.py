from __future__ import annotations

import pytest
import torch
from sklearn.metrics import f1_score, top_k_accuracy_score

from optnas import Study, UserError, data, maximize, minimize, ops, tasks

LOGITS = torch.randn(400, 12, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(400) % 12


def test_f1_and_top_k_are_scikit_learn_s() -> None:
    task = tasks.classification(data.digits(), metrics=["f1", "top3", "top4", "top5"])
    found = task.measure(LOGITS, CLASSES)
    assert found["f1"] == pytest.approx(f1_score(CLASSES, LOGITS.argmax(1), average="macro"), abs=1e-6)
    assert found["top3"] == pytest.approx(top_k_accuracy_score(CLASSES, LOGITS, k=3), abs=1e-6)
    assert found["top4"] == pytest.approx(top_k_accuracy_score(CLASSES, LOGITS, k=4), abs=1e-6)
    assert found["top5"] == pytest.approx(top_k_accuracy_score(CLASSES, LOGITS, k=5), abs=1e-6)


def test_only_what_is_asked_for_is_measured_beside_what_costs_nothing() -> None:
    task = tasks.classification(data.digits())
    assert list(task.measure(LOGITS, CLASSES)) == ["accuracy", "error", "loss"]
    assert "f1" in task.metrics


def test_a_study_asks_for_what_its_objectives_and_constraints_need() -> None:
    study = Study(
        "digits",
        ops.seq(ops.flatten(), ops.head()),
        task=tasks.classification(data.digits()),
        objectives=[maximize("0.5 * f1 + 0.5 * top3"), minimize("flops")],
        constraints=["top2 >= 0.5"],
    )
    assert study.task is not None
    assert {"f1", "top3", "top2"} <= study.task.measure(LOGITS, CLASSES).keys()


def test_a_metric_that_nobody_measures_is_refused_at_once() -> None:
    with pytest.raises(UserError, match="does not measure 'f2': known: accuracy, error, f1"):
        tasks.classification(data.digits(), metrics=["f2"])
    space = ops.seq(ops.flatten(), ops.head())
    with pytest.raises(UserError, match="did you mean 'top10'"):
        Study("d", space, task=tasks.classification(data.digits()), objectives=[maximize("top100")])


def test_what_is_no_class_each_is_refused_before_any_trial() -> None:
    with pytest.raises(UserError, match=r"tasks\.regression learns values"):
        tasks.classification(data.sklearn("diabetes")).check()
    with pytest.raises(UserError, match="says nothing about 'iris', of 3 classes"):
        tasks.classification(data.sklearn("iris"), metrics=["top3"]).check()
