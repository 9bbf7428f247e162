"""Expressivity of AZ-NAS: how evenly the features of each block use their dimensions."""

from __future__ import annotations

import torch
from torch import nn

from optnas.measure.zero_cost.batch import Batch, Loss, scored
from optnas.measure.zero_cost.blocks import entropy, features

__all__ = ["expressivity"]


def expressivity(module: nn.Module, batch: Batch, loss: Loss | None = None) -> float:
    """Return the sum over blocks of the entropy of the normalised spectrum of their features' covariance.

    The higher the better.

    Lee & Ham 2024, "AZ-NAS: assembling zero-cost proxies for network architecture search", arXiv 2403.19232.
    """
    with torch.no_grad():
        return float(sum(map(entropy, features(scored(module), batch))))
