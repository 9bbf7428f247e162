"""The generative adversarial network in the examples learns."""

from __future__ import annotations

import torch

from optnas import Training, parse
from optnas.run.files import load_study
from optnas.train import fit
from tests.files import REPOSITORY


def test_two_losses_and_two_optimisers_bring_noise_near_to_digits() -> None:
    task = load_study(str(REPOSITORY / "examples" / "custom_task.py")).task
    assert task is not None
    torch.manual_seed(0)
    module = parse("seq(linear(128), norm, relu, head)").build(task.data.shape, **task.context)
    real = task.data.splits.validation.y
    before = task.measure(torch.randn_like(real), real)["distance"]
    after = fit(module, task, Training(epochs=18, lr=3e-3), device=torch.device("cpu"), seed=0)["distance"]
    assert after < before / 2
