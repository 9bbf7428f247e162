"""SNIP: how much the loss depends on each weight's presence."""

from __future__ import annotations

from torch import nn

from optnas.measure.zero_cost.batch import Batch, Loss, needed, scored
from optnas.measure.zero_cost.gradients import weight_gradients

__all__ = ["snip"]


def snip(module: nn.Module, batch: Batch, loss: Loss | None = None) -> float:
    """Return the sum of the magnitudes of each weight times its gradient of the loss; the higher the better.

    Lee et al. 2019, "SNIP: single-shot network pruning based on connection sensitivity", arXiv 1810.02340; as
    a score by Abdelfattah et al. 2021, arXiv 2101.08134.
    """
    found = weight_gradients(scored(module), batch, needed(loss, "snip"))
    return float(sum((weight * gradient).abs().sum() for weight, gradient in found))
