"""Calibration by a temperature, on logits whose calibration is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from optnas.tasks._torchmetrics import torchmetrics
from optnas.winner.calibration import BINS, Calibration, calibration_error, fitted_temperature


def calibrated(samples: int, classes: int = 4, seed: int = 0, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    """Return logits, and classes drawn from their very probabilities."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(samples, classes, generator=generator)
    return logits, torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_calibration_error_is_that_of_torchmetrics(factor: float) -> None:
    logits, targets = calibrated(1000)
    logits = logits * factor
    error = torchmetrics().classification.multiclass_calibration_error
    expected = error(logits.softmax(1), targets, 4, n_bins=BINS, norm="l1")
    assert calibration_error(logits, targets) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("factor", [0.25, 5.0])
def test_a_network_that_is_too_sure_or_unsure_gets_the_temperature_that_undoes_it(factor: float) -> None:
    logits, targets = calibrated(2000)
    temperature = fitted_temperature(logits * factor, targets)
    assert temperature == pytest.approx(factor, rel=0.1)
    other, classes = calibrated(2000, seed=1)
    found = Calibration(temperature).measured("test", other * factor, classes).parts["test"]
    for name in ("ece", "nll"):
        assert found[name]["after"] < found[name]["before"]


def test_a_calibrated_network_stays_as_it_is() -> None:
    assert [fitted_temperature(*calibrated(500, seed=seed)) for seed in range(5)] == [1.0] * 5


def test_the_few_errors_of_a_network_that_is_nearly_always_right_decide_nothing() -> None:
    logits, targets = calibrated(300, scale=12.0)
    assert fitted_temperature(logits, targets) == 1.0
    # On these very samples another one would be better.
    losses = [cross_entropy(logits / t, targets).item() for t in (1.0, *torch.linspace(0.8, 1.25, 46))]
    assert min(losses) < losses[0]


def test_too_few_samples_decide_nothing() -> None:
    logits, targets = calibrated(10)
    assert fitted_temperature(logits * 5, targets) == 1.0
