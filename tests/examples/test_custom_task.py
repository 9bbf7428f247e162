"""The generative adversarial network in the examples learns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from optnas import Training, parse
from optnas.run.files import load_study
from optnas.train import fit
from tests.files import REPOSITORY, call


def test_two_losses_and_two_optimisers_bring_noise_near_to_digits() -> None:
    task = load_study(str(REPOSITORY / "examples" / "custom_task.py")).task
    assert task is not None
    torch.manual_seed(0)
    module = parse("seq(linear(128), norm, relu, head)").build(task.data.shape, **task.context)
    real = task.data.splits.validation.y
    before = task.measure(torch.randn_like(real), real)["distance"]
    training = Training(epochs=18, lr=1e-2, schedule="cosine")
    after = fit(module, task, training, device=torch.device("cpu"), seed=0)["distance"]
    assert after < before / 2


def test_it_is_searched_as_any_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = call("run", REPOSITORY / "examples" / "custom_task.py", "--trials", 1)
    assert "1/1 trials" in result.output
    assert "0 failed" in result.output
