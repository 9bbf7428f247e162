"""ZiCo: how large the gradients are relative to how much they differ between batches."""

from __future__ import annotations

import math

from torch import nn

from optnas.data.trees import mapped
from optnas.errors import UserError
from optnas.measure.zero_cost.batch import Batch, Loss, needed, scored, weights
from optnas.measure.zero_cost.gradients import gradients_by

__all__ = ["zico"]


def zico(module: nn.Module, batch: Batch, loss: Loss | None = None) -> float:
    """Return the sum over layers of log Σ E|g| / σ(g), of weights' gradients g by two halves of the batch.

    The higher the better. Weights whose gradients are equal in both halves are left out, as are layers of
    such weights.

    Li et al. 2023, "ZiCo: zero-shot NAS via inverse coefficient of variation on gradients", arXiv 2301.11300.

    Raises:
        UserError: If the batch has a single sample.
    """
    module, loss, half = scored(module), needed(loss, "zico"), batch.size // 2
    if not half:
        raise UserError("zico compares two halves of a batch: give two samples or more")
    found = weights(module)
    gradients = []
    for piece in (slice(0, half), slice(half, 2 * half)):
        inputs, targets = (mapped(lambda each: each[piece], tree) for tree in batch)  # noqa: B023
        gradients.append(gradients_by(loss(module(inputs), targets), found))
    score = 0.0
    for one, other in zip(*gradients, strict=True):
        if one is None or other is None:
            continue
        mean, deviation = (one.abs() + other.abs()) / 2, (one - other).abs() / 2
        differ = deviation > 0
        ratios = float((mean[differ].double() / deviation[differ].double()).sum())
        score += math.log(ratios) if ratios > 0 else 0.0
    return score
