"""Studies of forecasting, recommending and acting: what they say beside their front, and what they find."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from optnas.run.beside import baselines_told, tell_baselines
from optnas.run.files import load_study
from tests.files import REPOSITORY, call

# The study, one of its networks, how it is trained, the baseline that it beats in which metric, a prediction.
WINNERS = [
    pytest.param(
        "forecasting.py",
        "seq(flatten, linear(16), relu, head)",
        ["epochs=9", "lr=0.02"],
        "ridge regression",
        "mase",
        # An empty tank fills up.
        "levels = network(torch.tensor([[[0.25, 0.1]] * 48]))\n"
        "print('as expected' if levels.shape == (1, 12) and 0.2 < levels[0, 0] < 0.6 else levels)",
        marks=pytest.mark.slow,
    ),
    (
        "recommending.py",
        "seq(branch(seq(input('user'), embedding(4, vocabulary=300)),"
        " seq(input('item'), embedding(4, vocabulary=200)), merge='concat'), linear(32), relu, head)",
        ["epochs=18", "lr=0.026", "weight_decay=0.0006"],
        "popularity",
        "ndcg",
        "stars = network({'user': torch.zeros(200).long(), 'item': torch.arange(200)})\n"
        "print('as expected' if stars.shape == (200, 1) and 2 < stars.mean() < 4 else stars)",
    ),
    (
        "cartpole.py",
        "seq(linear(16), tanh, fork(policy=head, value=head(1)))",
        ["epochs=4", "lr=0.01"],
        "push where it leans",
        "mean_return",
        # A pole that falls to the right is held by a push to the right, action 1.
        "falling = torch.tensor([[0, 0, 0.15, 1.0], [0, 0, -0.15, -1.0]])\n"
        "push = network(falling)['policy'].argmax(1).tolist()\n"
        "print('as expected' if push == [1, 0] else push)",
    ),
]


def needs_gymnasium(study: str) -> None:
    if study == "cartpole.py":
        pytest.importorskip("gymnasium", reason="gymnasium is not installed")


@pytest.mark.parametrize(("study", "architecture", "settings", "model", "metric", "predicted"), WINNERS)
def test_a_small_network_beats_the_study_s_baseline_and_predicts_in_a_fresh_process(
    study: str,
    architecture: str,
    settings: list[str],
    model: str,
    metric: str,
    predicted: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs_gymnasium(study)
    monkeypatch.chdir(tmp_path)
    file = REPOSITORY / "studies" / study
    chosen = [part for setting in settings for part in ("--set", setting)]
    result = call("train", file, "--architecture", architecture, *chosen, "--threads", 1, "--out", "network")
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "network" / "metrics.json").read_text())
    declared = load_study(str(file))
    assert declared.task is not None
    ours, theirs = record["validation"][metric]["mean"], declared.task.baselines()[model][metric]
    sign = next(each.sign for each in declared.objectives if each.name == metric)
    assert sign * ours < sign * theirs
    assert record["test"][metric]["mean"] == pytest.approx(ours, rel=0.5)
    script = tmp_path / "predict.py"
    script.write_text(f"import torch, optnas\nnetwork = optnas.load('network')\n{predicted}\n")
    process = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert process.stdout.strip() == "as expected", process.stdout + process.stderr


@pytest.mark.parametrize(
    ("study", "beside"),
    [
        ("forecasting.py", "naive mase 0.8198; seasonal naive mase 1.051; ridge regression mase 0.3644."),
        ("recommending.py", "random order ndcg 0.4853; popularity ndcg 0.6736."),
        ("cartpole.py", "random actions mean_return 24.4; push where it leans mean_return 40.25."),
    ],
)
def test_a_run_says_what_the_baselines_have_beside_its_front(study: str, beside: str) -> None:
    needs_gymnasium(study)
    console = Console(file=io.StringIO())
    tell_baselines(baselines_told(load_study(str(REPOSITORY / "studies" / study))), console)
    assert console.file.getvalue() == f"Beside it: {beside}\n"
