"""Progressivity of AZ-NAS: whether the features of each block use more dimensions than those before."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from optnas.measure.zero_cost.batch import Batch, Loss, scored
from optnas.measure.zero_cost.blocks import entropy, features

__all__ = ["progressivity"]


def progressivity(module: nn.Module, batch: Batch, loss: Loss | None = None) -> float:
    """Return the least growth of the features' entropy from one block to the next; 0 with a single block.

    The higher the better. The entropy is that of :func:`~.expressivity.expressivity`.

    Lee & Ham 2024, "AZ-NAS: assembling zero-cost proxies for network architecture search", arXiv 2403.19232.
    """
    with torch.no_grad():
        entropies = map(entropy, features(scored(module), batch))
        return min((later - earlier for earlier, later in pairwise(entropies)), default=0.0)
