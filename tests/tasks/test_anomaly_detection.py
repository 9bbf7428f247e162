from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import nn

import optnas
from optnas import Training, UserError, data, parse, tasks
from optnas.data import Data, Split, Splits
from optnas.data.augment import flip
from optnas.run.files import load_study
from optnas.train import fit
from optnas.train.batches import Shuffled
from optnas.train.loop import evaluate
from tests.files import REPOSITORY, call

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
ANGLE = RNG.uniform(0, 1.5 * np.pi, 600)
WRONG = (RNG.random(600) < 0.2).astype(int)
# Points on three quarters of a circle, and anomalies within it.
RADIUS = np.where(WRONG, 0.3, 1)
X = np.stack([RADIUS * np.cos(ANGLE), RADIUS * np.sin(ANGLE)], axis=1)


def points(x: np.ndarray = X, y: np.ndarray = WRONG) -> data.Data:
    return data.tensors(x, y, name="points")


def test_metrics_are_scikit_learn_s_of_the_reconstruction_errors() -> None:
    task = tasks.anomaly_detection(points())
    valid = task.data.splits.validation
    module = nn.Linear(2, 2)
    found = evaluate(module, task, valid, task.data.splits.prepare)
    with torch.no_grad():
        scores = (module(valid.x) - valid.x).square().mean(dim=1)
    assert found["auroc"] == pytest.approx(roc_auc_score(valid.y, scores), rel=1e-5)
    assert found["average_precision"] == pytest.approx(average_precision_score(valid.y, scores), rel=1e-5)
    assert found["loss"] == pytest.approx(scores[valid.y == 0].mean().item(), rel=1e-5)


def test_scores_that_are_large_are_still_told_apart() -> None:
    task = tasks.anomaly_detection(points(1000 * X * (1 + 9 * WRONG[:, None])))
    valid = task.data.splits.validation

    class Far(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 1000 * x

    assert evaluate(Far(), task, valid, lambda x: x)["auroc"] == 1


def test_the_training_part_is_the_normal_samples_alone_and_they_are_their_own_targets() -> None:
    given = points().splits
    train = tasks.anomaly_detection(points()).data.splits.train
    assert torch.equal(train.x, given.train.x[given.train.y == 0])
    assert torch.equal(train.y, given.prepare(train.x))
    inside = tasks.anomaly_detection(points(), normal=1).data.splits
    assert torch.equal(inside.train.x, given.train.x[given.train.y == 1])
    assert torch.equal(inside.validation.y, 1 - given.validation.y)


def test_pictures_are_mirrored_with_what_is_to_be_returned() -> None:
    pictures = RNG.integers(256, size=(100, 1, 6, 6)).astype(np.uint8)
    parts = tasks.anomaly_detection(points(pictures, WRONG[:100])).data.splits
    generator = torch.Generator().manual_seed(0)
    count = len(parts.train)
    mirrored = 0
    for x, y in Shuffled(parts, [count], Training(flip=True), generator):
        assert torch.allclose(x, y)
        mirrored += sum(not any(torch.equal(each, of) for of in parts.train.y) for each in y)
    assert 0 < mirrored < count
    assert flip(parts.train.x, generator).shape == parts.train.x.shape


def test_an_autoencoder_tells_what_a_linear_model_does_not() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    task = tasks.anomaly_detection(points())
    module = parse("seq(linear(16), tanh, linear(16), tanh, linear(1), linear(16), tanh, head)").build(
        (2,), **task.context
    )
    found = fit(module, task, Training(epochs=30, batch_size=16, lr=1e-2), device=CPU, seed=0)
    assert found["auroc"] > 0.9
    assert task.at_chance(found) is None
    distance, pca = task.baselines().values()
    assert distance["auroc"] < 0.5  # anomalies are nearer to the mean
    assert pca["auroc"] < 0.8


def test_the_components_of_a_baseline_are_scikit_learn_s() -> None:
    from sklearn.decomposition import PCA

    mixed = RNG.normal(size=(600, 3)) @ RNG.normal(size=(3, 8)) + RNG.normal(0, 0.1, (600, 8))
    task = tasks.anomaly_detection(points(mixed))
    parts = task.data.splits
    model = PCA(0.95).fit(parts.train.x.double().numpy())
    name, found = list(task.baselines().items())[1]
    assert name == f"a PCA of {model.n_components_} components"
    x = parts.validation.x.double().numpy()
    scores = ((model.inverse_transform(model.transform(x)) - x) ** 2).mean(axis=1)
    assert found["auroc"] == pytest.approx(roc_auc_score(parts.validation.y, scores), rel=1e-6)


def test_guessing_is_told() -> None:
    task = tasks.anomaly_detection(points())
    share = task.data.splits.validation.y.double().mean().item()
    assert task.chance == {"auroc": 0.5, "average_precision": pytest.approx(share)}
    assert task.at_chance({"auroc": 0.48}) == "auroc 0.480 is at chance: guessing has 0.5"


def test_a_network_returns_the_shape_of_its_input() -> None:
    assert tasks.anomaly_detection(points()).output_shape == (2,)
    series = data.tensors(RNG.normal(size=(60, 12, 3)), WRONG[:60], layout="channels_last")
    assert tasks.anomaly_detection(series).context["outputs"] == 3
    pictures = tasks.anomaly_detection(data.tensors(RNG.normal(size=(60, 3, 8, 8)), WRONG[:60]))
    assert pictures.output_shape == (3, 8, 8)
    assert pictures.context["outputs"] == 3


def test_what_cannot_be_learned_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'mse'"):
        tasks.anomaly_detection(points(), loss="msr")
    with pytest.raises(UserError, match="no normal samples, of class 7"):
        tasks.anomaly_detection(points(), normal=7).check()
    healthy = Split(torch.zeros(4, 2), torch.zeros(4, dtype=torch.long))
    with pytest.raises(UserError, match="needs normal samples and anomalies, and has 4 and 0"):
        tasks.anomaly_detection(Data("healthy", lambda: Splits(healthy, healthy, healthy, 2))).check()
    with pytest.raises(UserError, match="classes must be whole numbers"):
        tasks.anomaly_detection(data.tensors(X, X[:, 0], targets="values")).check()
    ids = data.tensors(np.arange(600).reshape(300, 2) % 5, WRONG[:300], kinds="ids")
    with pytest.raises(UserError, match="no inputs of numbers"):
        tasks.anomaly_detection(ids).check()
    two = Split({"a": torch.zeros(4, 2), "b": torch.zeros(4, 2)}, torch.tensor([0, 1, 0, 1]))
    with pytest.raises(UserError, match="one tensor of inputs"):
        tasks.anomaly_detection(Data("two", lambda: Splits(two, two, two, 2))).check()
    streamed = data.dataset(
        [(np.zeros((3, 8, 8), np.uint8), i % 2) for i in range(40)], memory=0, readers=0, name="streamed"
    )
    with pytest.raises(UserError, match="not streamed"):
        tasks.anomaly_detection(streamed).check()


def test_scores_of_new_samples_are_those_that_were_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = ["--architecture", "seq(linear(8), linear(2), linear(8), head)", "--epochs", 1]
    file = REPOSITORY / "studies" / "anomalies.py"
    result = call("train", file, *chosen, "--set", "lr=0.003", "--out", "winner")
    assert result.exit_code == 0, result.output
    parts = load_study(str(file)).task.data.splits
    figures = parts.prepare.by
    given = parts.test.x * figures.deviation + figures.mean  # as the file has them
    scores = tasks.anomaly_scores(optnas.load("winner"), given)
    measured = json.loads(Path("winner/metrics.json").read_text())["test"]["auroc"]["mean"]
    assert roc_auc_score(parts.test.y, scores) == pytest.approx(measured, abs=1e-3)
