"""Ready studies of sequences and generation: what their networks cost, and their winners."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import optnas
from optnas import Study, tasks
from optnas.data.trees import mapped
from optnas.run.files import load_study
from tests.files import REPOSITORY, call

FILES = ["diffusion.py", "gan.py", "speech.py", "translation.py"]

PREDICT = """
import sys
import torch, optnas
model = optnas.load(sys.argv[1])
with torch.inference_mode():
    torch.save(model(torch.load("x.pt")), "predicted.pt")
"""


def study_of(file: str) -> Study:
    return load_study(str(REPOSITORY / "studies" / file))


def params_of(study: Study, seed: int) -> dict[str, Any]:
    return study.suggest(optuna.create_study(sampler=optuna.samplers.RandomSampler(seed)).ask()).params


@pytest.mark.parametrize("file", FILES)
def test_its_networks_cost_what_is_counted(file: str) -> None:
    study = study_of(file)
    assert study.task is not None
    parts = study.task.data.splits
    x = mapped(lambda each: each[:1].to("meta"), parts.prepare(parts.train.x))
    for seed in range(3):
        architecture = study.candidate(params_of(study, seed)).architecture
        cost = architecture.cost(study.shape, **study.context)
        with torch.device("meta"):
            module = architecture.build(study.shape, **study.context).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            out = module(x)
        assert cost.flops == counter.get_total_flops()
        assert cost.params == sum(parameter.numel() for parameter in module.parameters())
        assert cost.shape == tuple(out.shape[1:])


@pytest.mark.parametrize("file", FILES)
def test_its_winner_is_trained_and_predicts_in_a_fresh_process(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = study_of(file)
    assert study.task is not None
    architecture = study.candidate(params_of(study, 0)).architecture
    chosen = ["--architecture", str(architecture), "--set", "epochs=1", "--set", "lr=0.003", "--out", "won"]
    result = call("train", REPOSITORY / "studies" / file, *chosen)
    assert result.exit_code == 0, result.output
    # Its inputs are as they were before the model's own normalisation; any numbers do here.
    x = mapped(lambda each: each[:3], study.task.data.splits.validation.x)
    torch.save(x, "x.pt")
    subprocess.run([sys.executable, "-c", PREDICT, "won"], cwd=tmp_path, check=True, timeout=120)
    model = optnas.load("won")
    with torch.inference_mode():
        assert torch.allclose(torch.load("predicted.pt"), model(x), atol=1e-5)
        if file == "translation.py":
            assert tasks.beam_search(model, x["source"], 16, beams=2).shape == (3, 16)
        if file == "diffusion.py":
            assert tasks.ddim(model, torch.randn(3, 1, 8, 8)).isfinite().all()
