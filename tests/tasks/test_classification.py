from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, top_k_accuracy_score

from optnas import SpaceError, Study, Training, UserError, data, maximize, minimize, ops, tasks
from optnas.train import fit

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


RNG = np.random.default_rng(0)
SIGNALS = RNG.normal(size=(200, 6, 3)).astype(np.float32)
TAGS = (SIGNALS[:, :, 0] > 0).astype(np.int64) + (SIGNALS[:, :, 1] > 1)
PADDED = np.where(np.arange(6) < RNG.integers(2, 7, (200, 1)), TAGS, -5)


def tagging(tags: np.ndarray = PADDED, **more: object) -> tasks.Classification:
    return tasks.classification(data.tensors(SIGNALS, tags, layout="channels_last"), **more)


def test_classes_of_positions_are_measured_over_all_that_have_one() -> None:
    task = tagging(metrics=["f1", "top2"])
    task.check()
    outputs, targets = torch.randn(200, 6, 3), torch.from_numpy(PADDED)
    found = task.measure(outputs, targets)
    known = PADDED >= 0
    logits = outputs.numpy()[known]
    assert found["accuracy"] == pytest.approx((logits.argmax(1) == PADDED[known]).mean(), abs=1e-6)
    assert found["f1"] == pytest.approx(f1_score(PADDED[known], logits.argmax(1), average="macro"), abs=1e-6)
    assert found["top2"] == pytest.approx(top_k_accuracy_score(PADDED[known], logits, k=2), abs=1e-6)
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(PADDED[known]))
    assert found["loss"] == pytest.approx(expected.item(), rel=1e-5)
    assert task.loss(outputs, targets).item() == pytest.approx(expected.item(), rel=1e-5)
    valid = task.data.splits.validation.y
    assert task.chance["accuracy"] == pytest.approx(valid[valid >= 0].bincount().max() / (valid >= 0).sum())


@pytest.mark.parametrize("loss", [None, "focal"])
def test_a_network_learns_the_class_of_each_position(loss: str | None) -> None:
    task = tagging()
    study = Study(
        "tags",
        ops.seq(ops.linear(16), ops.relu(), ops.linear(3)),
        task=task,
        objectives=[maximize("accuracy")],
        training=Training(epochs=8, lr=3e-2, loss=loss, class_weights="balanced", batch_size=16),
    )
    assert study.shape == (6, 3)
    candidate = study.candidate({})
    assert study.costs(candidate)["params"] == 4 * 16 + 17 * 3
    torch.manual_seed(0)
    module = candidate.architecture.build(study.shape, **study.context)
    found = fit(module, task, candidate.training, device=torch.device("cpu"), seed=0)
    assert found["accuracy"] > 0.8  # the most frequent of three has less than half
    with pytest.raises(SpaceError, match=r"puts out \(6, 5\), but the task takes \(6, 3\): .* linear\(3\)"):
        Study("tags", ops.linear(5), task=task, objectives=[maximize("accuracy")]).tree_costs(ops.linear(5))


def test_classes_that_are_none_of_samples_or_positions_are_refused() -> None:
    with pytest.raises(UserError, match=r"not torch.int64 of shape \(120, 3\)"):
        tagging(TAGS[:, :3]).check()
    with pytest.raises(UserError, match="every class is negative"):
        tagging(np.full_like(TAGS, -1)).check()
    known_in_validation = data.Data(
        "tags", lambda: dataclasses.replace(splits, train=data.Split(splits.train.x, -1 - splits.train.y))
    )
    splits = tagging(TAGS).data.splits
    with pytest.raises(UserError, match="a part has no position of a class"):
        tasks.classification(known_in_validation).check()
    masks = data.tensors(RNG.random((60, 1, 4, 5)), RNG.integers(2, size=(60, 4, 5)))
    with pytest.raises(UserError, match=r"tasks\.segmentation pixels"):
        tasks.classification(masks).check()
