"""Ready studies whose networks return more than classes or values: their winners, and what they cost."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from sklearn.metrics import roc_auc_score

import optnas
from optnas import tasks
from optnas.run.files import load_study
from tests.files import REPOSITORY, call
from tests.ops.helpers import assert_cost_is_counted

FILES = [
    "anomalies.py",
    "segmentation.py",
    pytest.param(
        "detection.py",
        marks=pytest.mark.skipif(find_spec("pycocotools") is None, reason="pycocotools is not installed"),
    ),
]

PREDICT = """
import sys
import numpy, torch, optnas
model = optnas.load(sys.argv[1])
with torch.inference_mode():
    numpy.save("predicted.npy", model(torch.from_numpy(numpy.load("x.npy"))).numpy())
"""


@pytest.mark.parametrize("file", FILES)
def test_its_winner_is_trained_and_predicts_in_a_fresh_process(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = load_study(str(REPOSITORY / "studies" / file))
    architecture = study.candidate(_params(study)).architecture
    chosen = ["--architecture", str(architecture), "--epochs", 1, "--set", "lr=0.003", "--out", "winner"]
    result = call("train", REPOSITORY / "studies" / file, *chosen)
    assert result.exit_code == 0, result.output
    shape = study.task.data.shape
    given = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    np.save("x.npy", given)
    subprocess.run([sys.executable, "-c", PREDICT, "winner"], cwd=tmp_path, check=True, timeout=120)
    with torch.inference_mode():
        expected = optnas.load("winner")(torch.from_numpy(given))
    assert expected.shape[1:] == study.task.output_shape
    assert np.allclose(np.load("predicted.npy"), expected.numpy(), atol=1e-5)


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


@pytest.mark.parametrize("file", FILES)
def test_its_networks_cost_what_is_counted(file: str) -> None:
    study = load_study(str(REPOSITORY / "studies" / file))
    for seed in range(4):
        architecture = study.candidate(_params(study, seed)).architecture
        assert_cost_is_counted(architecture, study.task.data.shape, **study.context)


def _params(study: optnas.Study, seed: int = 0) -> dict[str, object]:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed)).ask()
    return study.suggest(trial).params
