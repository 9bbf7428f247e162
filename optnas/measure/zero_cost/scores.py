"""The zero-cost scores by name."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import nn

from optnas.measure.zero_cost.batch import Batch, Loss
from optnas.measure.zero_cost.complexity import complexity
from optnas.measure.zero_cost.expressivity import expressivity
from optnas.measure.zero_cost.grad_norm import grad_norm
from optnas.measure.zero_cost.grasp import grasp
from optnas.measure.zero_cost.jacob_cov import jacob_cov
from optnas.measure.zero_cost.naswot import naswot
from optnas.measure.zero_cost.progressivity import progressivity
from optnas.measure.zero_cost.snip import snip
from optnas.measure.zero_cost.synflow import synflow
from optnas.measure.zero_cost.trainability import trainability
from optnas.measure.zero_cost.zico import zico
from optnas.train.device import forked_random

__all__ = ["AGGREGATED", "METRICS", "OF_LOSS", "SCORES", "zero_cost"]

SCORES: dict[str, Callable[[nn.Module, Batch, Loss | None], float]] = {
    "naswot": naswot,
    "jacob_cov": jacob_cov,
    "synflow": synflow,
    "snip": snip,
    "grad_norm": grad_norm,
    "grasp": grasp,
    "zico": zico,
    "expressivity": expressivity,
    "progressivity": progressivity,
    "trainability": trainability,
    "complexity": complexity,
}
"""Functions of a network, a batch and a loss that score it before it is trained; higher is better."""

AGGREGATED = ("naswot", "jacob_cov", "synflow", "expressivity", "progressivity", "trainability")
"""The names of the scores that candidates are screened by: each of something else, and none needs a loss."""

METRICS = tuple(name for name in SCORES if name != "complexity")
"""The names of the scores as metrics of a study, where complexity is ``flops``."""

OF_LOSS = frozenset({"snip", "grad_norm", "grasp", "zico"})
"""The names of the scores that need a loss."""


def zero_cost(
    names: Collection[str], module: nn.Module, batch: Batch, loss: Loss | None = None
) -> dict[str, float]:
    """Score one network before training by each of ``names``, a subset of :data:`SCORES`.

    The network stays as it is, in its parameters, statistics, gradients, mode and device, and so do PyTorch's
    random numbers.
    """
    found = {}
    for name in names:
        with forked_random():
            torch.manual_seed(0)
            found[name] = SCORES[name](module, batch, loss)
    return found
