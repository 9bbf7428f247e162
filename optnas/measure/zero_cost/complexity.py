"""Complexity of AZ-NAS: the FLOPs of a network."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from optnas.measure.zero_cost.batch import Batch, Loss, scored

__all__ = ["complexity"]


def complexity(module: nn.Module, batch: Batch, loss: Loss | None = None) -> float:
    """Return the FLOPs of one sample's forward pass, as PyTorch counts them while the network runs.

    In a study these are ``flops``, which are known without running it.

    Lee & Ham 2024, "AZ-NAS: assembling zero-cost proxies for network architecture search", arXiv 2403.19232.
    """
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        scored(module)(batch.inputs)
    return float(counter.get_total_flops() / batch.size)
