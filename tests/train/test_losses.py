"""Losses that optnas has for classes: weights, the focal loss, and batches with as many of each class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot, softmax

from optnas import Training, data, parse, tasks
from optnas.train import fit
from optnas.train.loop import _usual_step
from optnas.train.losses import class_loss, class_weights
from optnas.train.optimizers import make_optimizer
from optnas.train.weights import FlatWeights

CPU = torch.device("cpu")
GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(12, 3, generator=GENERATOR)
CLASSES = torch.randint(3, (12,), generator=GENERATOR)
PIXELS = torch.randn(4, 3, 2, 5, generator=GENERATOR)
MASKS = torch.randint(3, (4, 2, 5), generator=GENERATOR)
WEIGHTS = torch.tensor([0.2, 1.0, 3.0])


def rare_class() -> tasks.Classification:
    """Return a task of two classes that overlap, one of them nine times as frequent."""
    x = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    y = (np.arange(400) % 10 == 0).astype(np.int64)
    x[y == 1] += 1
    return tasks.classification(data.tensors(x, y))


@pytest.fixture(scope="module")
def rare() -> tasks.Classification:
    return rare_class()


def losses_of(outputs: Tensor, targets: Tensor, gamma: float, weights: Tensor) -> Tensor:
    """Return -w·(1 - p)^γ·log p of each target."""
    p = softmax(outputs.movedim(1, -1), -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return -weights[targets] * (1 - p) ** gamma * p.log()


@pytest.mark.parametrize(("outputs", "targets"), [(LOGITS, CLASSES), (PIXELS, MASKS)])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_the_focal_loss_is_its_formula(
    outputs: Tensor, targets: Tensor, gamma: float, weights: Tensor | None
) -> None:
    expected = losses_of(outputs, targets, gamma, torch.ones(3) if weights is None else weights)
    found = class_loss(outputs, targets, class_weights=weights, focal_gamma=gamma)
    assert found.item() == pytest.approx(expected.mean().item(), rel=1e-5)
    shares = one_hot(targets, 3).movedim(-1, 1).float()
    mixed = class_loss(outputs, shares, class_weights=weights, focal_gamma=gamma)
    assert mixed.item() == pytest.approx(found.item(), rel=1e-5)
    ignored = targets.clone()
    ignored[0] = -100
    found = class_loss(outputs, ignored, class_weights=weights, focal_gamma=gamma)
    assert found.item() == pytest.approx(expected[1:].mean().item(), rel=1e-5)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_without_focus_it_is_the_cross_entropy_with_smoothed_labels(weights: Tensor | None) -> None:
    expected = cross_entropy(LOGITS, CLASSES, weight=weights, label_smoothing=0.2, reduction="sum") / 12
    found = class_loss(LOGITS, CLASSES, class_weights=weights, label_smoothing=0.2)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_batch_of_classes_of_weight_0_alone_teaches_nothing(gamma: float, smoothing: float) -> None:
    outputs = LOGITS.clone().requires_grad_()
    weights, classes = torch.tensor([0.0, 0.0, 1.0]), CLASSES % 2
    given = {"class_weights": weights, "focal_gamma": gamma, "label_smoothing": smoothing}
    found = class_loss(outputs, classes, **given)  # type: ignore[arg-type]
    found.backward()  # type: ignore[no-untyped-call]
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
    if not smoothing:  # of which the last class has its share
        assert found.item() == 0
        assert not outputs.grad.any()


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_a_class_that_is_certain_has_a_gradient_that_is_a_number(gamma: float) -> None:
    outputs = torch.tensor([[100.0, 0.0], [0.0, 100.0]], requires_grad=True)
    class_loss(outputs, torch.tensor([0, 0]), focal_gamma=gamma).backward()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()


def test_balanced_weights_make_up_for_shares_and_are_1_on_average(rare: tasks.Classification) -> None:
    y = rare.data.splits.train.y
    counts = y.bincount()
    weights = class_weights(rare.data.splits, Training(class_weights="balanced"))
    assert weights is not None
    assert weights[0] * counts[0] == pytest.approx(weights[1] * counts[1])
    assert weights[y].mean() == pytest.approx(1)
    given = class_weights(rare.data.splits, Training(class_weights=(1, 4)))
    assert given is not None
    assert given[1] == pytest.approx(4 * given[0])
    assert given[y].mean() == pytest.approx(1)


@pytest.mark.parametrize("change", [{"class_weights": (1.0, 5.0)}, {"loss": "focal", "focal_gamma": 1.0}])
def test_micro_batches_have_the_gradient_of_the_batch(
    rare: tasks.Classification, change: dict[str, Any]
) -> None:
    found = []
    for pieces in (1, 3):
        torch.manual_seed(0)
        module = parse("head").build((2,), outputs=2)
        training = Training(optimizer="sgd", momentum=0.0, lr=0.1, **change)
        weights = FlatWeights(module)
        made = make_optimizer("sgd", weights.parameters, lr=0.1, weight_decay=0.0, momentum=0.0)
        part = rare.data.splits.train
        step = _usual_step(module, weights, made, rare, training, pieces)
        found.append((step(part.x[:60], part.y[:60], 1.0).item(), weights.tensor.detach().clone()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-6)


def recall(task: tasks.Classification, **training: Any) -> float:
    """Return the share of the rare class's samples that are found."""
    torch.manual_seed(0)
    module = parse("seq(linear(8), relu, head)").build((2,), outputs=2)
    fit(module, task, Training(epochs=6, lr=1e-2, ema=0.9, **training), device=CPU, seed=0)
    part = task.data.splits.train
    found = module.eval()(task.data.splits.prepare(part.x)).argmax(1)
    return found[part.y == 1].float().mean().item()


def test_a_rare_class_is_found_more_often_by_weights_and_by_balanced_batches(
    rare: tasks.Classification,
) -> None:
    plain = recall(rare)
    assert recall(rare, class_weights="balanced") > plain + 0.3
    assert recall(rare, balanced=True) > plain + 0.3
