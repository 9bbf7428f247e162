"""Norm of a loss's gradients before training."""

from __future__ import annotations

from torch import nn

from optnas.measure.zero_cost.batch import Batch, Loss, needed, scored
from optnas.measure.zero_cost.gradients import weight_gradients

__all__ = ["grad_norm"]


def grad_norm(module: nn.Module, batch: Batch, loss: Loss | None = None) -> float:
    """Return the sum of the Euclidean norms of each layer's gradient of the loss; the higher the better.

    Abdelfattah et al. 2021, "Zero-cost proxies for lightweight NAS", arXiv 2101.08134.
    """
    found = weight_gradients(scored(module), batch, needed(loss, "grad_norm"))
    return float(sum(gradient.norm() for _, gradient in found))
