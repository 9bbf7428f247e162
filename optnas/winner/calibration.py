"""Calibration of a classifier: a temperature for its logits (Guo et al. 2017), and how far off it was."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

__all__ = ["BINS", "Calibration", "calibration_error", "fitted_temperature"]

BINS = 15
"""Bins of the expected calibration error, of equal width between the probabilities 0 and 1."""

# Beyond these a network says nothing at all, or is sure of everything.
_LEAST, _MOST = 0.05, 20.0
_FOLDS, _LEAST_SAMPLES = 5, 20


def calibration_error(logits: Tensor, targets: Tensor, bins: int = BINS) -> float:
    """Return the expected calibration error (ECE): how far the likeliest class's probability is off.

    That is the mean over the samples of the distance between a bin's accuracy and its mean probability, with
    ``bins`` of equal width (Naeini et al. 2015; Guo et al. 2017, equation 3). 0 is best, 1 worst.

    Args:
        logits: Logits (samples, classes).
        targets: Classes (samples,).
        bins: The number of bins.
    """
    probability, found = logits.double().softmax(dim=1).max(dim=1)
    bin_of = (probability * bins).ceil().long().clamp(1, bins) - 1
    gap = torch.zeros(bins, dtype=torch.float64)
    gap.index_add_(0, bin_of, (found == targets).double() - probability)
    return gap.abs().sum().item() / len(targets)


def fitted_temperature(logits: Tensor, targets: Tensor) -> float:
    """Return the temperature T that minimises the cross-entropy of ``logits / T`` against ``targets``.

    It is 1, so that logits stay as they are, unless temperatures lower the cross-entropy of samples that they
    were not fitted on (5-fold cross-validation) by more than two standard errors, and the calibration error
    as well: of a network that is nearly always right the few errors alone decide a temperature, which is
    then often worse for other samples. Classes keep their order by any (Guo et al. 2017, section 4.2).

    Args:
        logits: Logits (samples, classes) of samples that the network was not trained on.
        targets: Classes (samples,).
    """
    exact, count = logits.double(), len(targets)
    if count < _LEAST_SAMPLES:
        return 1.0
    fold = torch.randperm(count, generator=torch.Generator().manual_seed(0)) % _FOLDS
    held_out = torch.ones(count, dtype=torch.float64)
    for each in range(_FOLDS):
        held_out[fold == each] = _minimum(exact[fold != each], targets[fold != each])
    scaled = exact / held_out[:, None]
    gain = cross_entropy(exact, targets, reduction="none") - cross_entropy(scaled, targets, reduction="none")
    temperature = _minimum(exact, targets)
    before = calibration_error(exact, targets)
    lower = all(calibration_error(each, targets) < before for each in (scaled, exact / temperature))
    return temperature if lower and gain.mean() > 2 * gain.std() / math.sqrt(count) else 1.0


def _minimum(logits: Tensor, targets: Tensor) -> float:
    """Return the temperature of the least cross-entropy, which is convex in its inverse."""
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        return cross_entropy(logits / math.exp(logarithm), targets).item()

    bounds = (math.log(_LEAST), math.log(_MOST))
    return math.exp(float(minimize_scalar(loss, bounds=bounds, method="bounded").x))


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A temperature, and what it changed.

    Attributes:
        temperature: What logits are divided by; 1 where that made nothing better.
        parts: The calibration error (``ece``) and the mean cross-entropy (``nll``, nats) ``before`` and
            ``after`` it, by the part of the data they were measured on.
    """

    temperature: float = 1.0
    parts: dict[str, dict[str, dict[str, float]]] = dataclasses.field(default_factory=dict)

    def measured(self, part: str, logits: Tensor, targets: Tensor) -> Calibration:
        """Return it with the figures of one more part; one without samples is left out."""
        if not len(targets):
            return self
        exact = logits.double()
        scaled = exact / self.temperature
        found = {
            "ece": {
                "before": calibration_error(exact, targets),
                "after": calibration_error(scaled, targets),
            },
            "nll": {
                "before": cross_entropy(exact, targets).item(),
                "after": cross_entropy(scaled, targets).item(),
            },
        }
        return dataclasses.replace(self, parts={**self.parts, part: found})

    def record(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"temperature": self.temperature, "bins": BINS, **self.parts}
