"""Jacobian covariance: how differently a network's output depends on the inputs of each sample."""

from __future__ import annotations

import math

import torch
from torch import nn

from optnas.measure.zero_cost.batch import Batch, Loss, scored
from optnas.measure.zero_cost.gradients import input_derivatives

__all__ = ["jacob_cov"]

# The k of the paper's score.
_SMALL = 1e-5


def jacob_cov(module: nn.Module, batch: Batch, loss: Loss | None = None) -> float:
    """Return a score of the correlations between the samples' derivatives of outputs by inputs.

    With eigenvalues λ of the matrix of correlations it is the negative sum of log(λ + k) + 1 / (λ + k). The
    higher the better. Inputs that are symbols have the derivatives by their embeddings.

    The score of the first version of Mellor et al. 2020, arXiv 2006.04647v1, called jacob_cov by Abdelfattah
    et al. 2021, "Zero-cost proxies for lightweight NAS", arXiv 2101.08134.
    """
    derivatives = input_derivatives(scored(module), batch).double()
    rows = derivatives - derivatives.mean(dim=1, keepdim=True)
    if not rows.isfinite().all():
        return math.nan
    lengths = rows.norm(dim=1, keepdim=True)
    rows = rows / lengths.clamp(min=torch.finfo(rows.dtype).tiny)
    # Samples without any derivatives cannot be told apart: they count as alike.
    dead = (lengths == 0).to(rows)
    eigenvalues = torch.linalg.eigvalsh((rows @ rows.T + dead @ dead.T).cpu()).clamp(min=0)
    return float(-((eigenvalues + _SMALL).log() + 1 / (eigenvalues + _SMALL)).sum())
