from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, jaccard_score, log_loss
from torch import nn

from optnas import SpaceError, Study, Training, UserError, data, maximize, ops, parse, tasks
from optnas.train import fit
from optnas.train.batches import Shuffled
from optnas.train.loop import evaluate

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
MASKS = RNG.integers(3, size=(60, 6, 8))
X = (np.eye(3)[MASKS].transpose(0, 3, 1, 2)[:, :2] + RNG.normal(0, 0.3, (60, 2, 6, 8))).astype(np.float32)


def scenes(masks: np.ndarray = MASKS, x: np.ndarray = X) -> data.Data:
    return data.tensors(x, masks, layout="channels_first", name="scenes")


def test_metrics_are_scikit_learn_s_over_all_pixels_that_have_a_class() -> None:
    masks = np.where(RNG.random(MASKS.shape) < 0.2, -RNG.integers(1, 9, MASKS.shape), MASKS)
    task = tasks.segmentation(scenes(masks))
    valid = task.data.splits.validation
    torch.manual_seed(0)
    module = nn.Conv2d(2, 3, 3, padding=1)
    found = evaluate(module, task, valid, task.data.splits.prepare)
    with torch.no_grad():
        logits = module(valid.x)
    known = (valid.y >= 0).flatten()
    truth = valid.y.flatten()[known]
    predicted = logits.argmax(dim=1).flatten()[known]
    assert found["miou"] == pytest.approx(jaccard_score(truth, predicted, average="macro"), rel=1e-5)
    assert found["pixel_accuracy"] == pytest.approx(accuracy_score(truth, predicted), rel=1e-5)
    probabilities = logits.double().softmax(dim=1).movedim(1, -1).flatten(0, 2)[known]
    assert found["loss"] == pytest.approx(log_loss(truth, probabilities), rel=1e-4)


def test_metrics_do_not_depend_on_the_batches() -> None:
    task = tasks.segmentation(scenes())
    valid, module = task.data.splits.validation, nn.Conv2d(2, 3, 1)
    whole = evaluate(module, task, valid, task.data.splits.prepare)
    in_ones = evaluate(module, task, valid, task.data.splits.prepare, pieces=10**6)
    assert in_ones == pytest.approx(whole, rel=1e-5)


def test_pixels_without_a_class_teach_nothing() -> None:
    task = tasks.segmentation(scenes())
    outputs = torch.randn(2, 3, 6, 8, requires_grad=True)
    targets = torch.from_numpy(MASKS[:2]).clone()
    targets[:, :3] = -7
    for setting in ({}, {"focal_gamma": 2.0}, {"class_weights": torch.tensor([1.0, 2.0, 3.0])}):
        (slope,) = torch.autograd.grad(task.loss(outputs, targets, **setting), outputs)
        assert (slope[:, :, :3] == 0).all()
        assert (slope[:, :, 3:] != 0).all()
        assert task.loss(outputs, -torch.ones_like(targets), **setting) == 0
    one = task.loss(outputs[:, :, 3:], targets[:, 3:])
    assert task.loss(outputs, targets).item() == pytest.approx(one.item(), rel=1e-5)


def test_a_class_that_occurs_nowhere_does_not_count() -> None:
    masks = np.where(MASKS == 1, 5, MASKS)
    task = tasks.segmentation(scenes(masks))
    assert task.output_shape == (6, 6, 8)

    class Perfect(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 9 * nn.functional.one_hot(valid.y, 6).movedim(-1, 1).float()

    valid = task.data.splits.validation
    assert evaluate(Perfect(), task, valid, lambda x: x)["miou"] == 1


@settings(max_examples=20, deadline=None)
@given(flip=st.booleans(), crop=st.integers(0, 2), channels_last=st.booleans(), seed=st.integers(0, 1000))
def test_masks_move_with_their_pictures(flip: bool, crop: int, channels_last: bool, seed: int) -> None:
    """A picture that shows its mask's classes still shows them, wherever its pixels go."""
    masks = np.random.default_rng(seed).integers(9, size=(40, 5, 7))
    shown = masks[..., None] if channels_last else masks[:, None]
    made = data.tensors(
        shown.astype(np.uint8), masks, layout="channels_last" if channels_last else "channels_first"
    )
    parts = tasks.segmentation(made).data.splits
    figures, count = parts.prepare, len(parts.train)
    generator = torch.Generator().manual_seed(seed)
    for x, y in Shuffled(parts, [count], Training(flip=flip, crop=crop), generator):
        back = x.double() * figures.deviation + figures.mean  # type: ignore[attr-defined]
        assert torch.equal(back.round().long()[:, 0], y)
        before = {tuple(mask.flatten().tolist()) for mask in parts.train.y}
        same = sum(tuple(mask.flatten().tolist()) in before for mask in y)
        assert (same == count) == (not flip and not crop)


def test_a_network_learns_and_is_better_than_the_baselines() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    # Which of two classes a pixel has shows its left neighbour alone.
    shown = np.roll(MASKS % 2, -1, axis=2)[:, None] + RNG.normal(0, 0.1, (60, 1, 6, 8))
    task = tasks.segmentation(scenes(MASKS % 2, shown))
    task.check()
    module = parse("seq(conv(4), relu, conv(2, 1, bias=True))").build((1, 6, 8), **task.context)
    found = fit(module, task, Training(epochs=20, batch_size=4, lr=3e-2), device=CPU, seed=0)
    assert found["miou"] > 0.8
    constant, linear = task.baselines().values()
    assert constant == task.chance
    assert linear["miou"] < 0.6
    assert task.at_chance(found) is None


@pytest.mark.parametrize("classes", [2, 3])
def test_the_linear_baseline_is_scikit_learn_s(classes: int) -> None:
    masks = np.where(MASKS == 1, 4, MASKS) if classes == 3 else MASKS % 2
    task = tasks.segmentation(scenes(masks))
    parts = task.data.splits
    x, new = (
        part.x.movedim(1, -1).flatten(0, 2).double().numpy() for part in (parts.train, parts.validation)
    )
    predicted = LogisticRegression().fit(x, parts.train.y.flatten()).predict(new)
    truth = parts.validation.y.flatten()
    found = task.baselines()["a logistic regression on each pixel"]
    assert found["pixel_accuracy"] == pytest.approx(accuracy_score(truth, predicted), abs=2e-3)
    assert found["miou"] == pytest.approx(jaccard_score(truth, predicted, average="macro"), abs=3e-3)
    assert math.isfinite(found["loss"])


def test_one_class_everywhere_is_chance() -> None:
    task = tasks.segmentation(scenes())
    valid = task.data.splits.validation
    shares = np.bincount(valid.y.flatten().numpy()) / valid.y.numel()

    class Constant(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(np.log(shares)).float()[:, None, None].expand(len(x), 3, 6, 8)

    found = evaluate(Constant(), task, valid, lambda x: x)
    assert found == pytest.approx(task.chance, rel=1e-5)
    assert "one class everywhere" in (task.at_chance(found) or "")
    seldom = np.random.default_rng(1).random(MASKS.shape) < 0.15
    mostly = tasks.segmentation(scenes(np.where(seldom, MASKS, 0)))
    assert mostly.at_chance(mostly.chance) is None  # the background is learned first


def test_what_cannot_be_learned_is_refused() -> None:
    with pytest.raises(UserError, match=r"here \(samples, 6, 8\), not torch.int64 of shape \(36, 8, 6\)"):
        tasks.segmentation(scenes(MASKS.transpose(0, 2, 1))).check()
    with pytest.raises(UserError, match="say targets='classes'"):
        tasks.segmentation(data.tensors(X, MASKS * 1.0, targets="values")).check()
    with pytest.raises(UserError, match="a class for each pixel of images"):
        tasks.segmentation(data.tensors(X[:, 0, 0], MASKS[:, 0])).check()
    with pytest.raises(UserError, match="every class is negative"):
        tasks.segmentation(scenes(-np.ones_like(MASKS))).check()


def test_a_network_that_ends_otherwise_is_told_how_to_end() -> None:
    study = Study(
        "scenes",
        ops.seq(ops.conv(4), ops.head()),
        task=tasks.segmentation(scenes()),
        objectives=[maximize("miou")],
    )
    with pytest.raises(SpaceError, match=r"takes \(3, 6, 8\): end the space with conv\(3, 1, bias=True\)"):
        study.tree_costs(study.space)
