"""Trainability of AZ-NAS: whether gradients keep their size from block to block."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from optnas.measure.zero_cost.batch import Batch, Loss, scored
from optnas.measure.zero_cost.blocks import Features, features, flat

__all__ = ["trainability"]

# Of a block that lets no gradient pass, and of one that changes nothing: both learn nothing.
_NOTHING = 1e-6


def trainability(module: nn.Module, batch: Batch, loss: Loss | None = None) -> float:
    """Return the mean over blocks of 2 - σ - 1 / σ, at most 0; 0 with a single block.

    σ is the spectral norm of an estimate of the block's Jacobian, made of a random gradient of signs at its
    output and of what of it arrives at its input. The higher the better. A block without weights that is the
    identity counts as one that lets nothing pass. Blocks that do not lie one behind the other are left out,
    and those that only add, such as learned positions.

    Lee & Ham 2024, "AZ-NAS: assembling zero-cost proxies for network architecture search", arXiv 2403.19232.
    """
    random = torch.Generator().manual_seed(0)
    pairs = pairwise(features(scored(module), batch))
    found = [score for one, other in pairs if (score := _score(one, other, random)) is not None]
    return sum(found) / len(found) if found else 0.0


def _score(before: Features, after: Features, random: torch.Generator) -> float | None:
    if not (before.values.requires_grad and after.values.requires_grad):
        return 2 - 1 / _NOTHING
    signs = torch.randint(0, 2, after.values.shape, generator=random).to(after.values) * 2 - 1
    (arrived,) = torch.autograd.grad(after.values, before.values, signs, retain_graph=True, allow_unused=True)
    if arrived is None:
        return None
    if arrived.shape == signs.shape and torch.equal(arrived, signs):
        return None if after.learns else 2 - 1 / _NOTHING
    rows = flat(signs, after.channels)
    columns = _aligned(arrived.movedim(before.channels, 1), signs.movedim(after.channels, 1))
    estimate = (columns.T @ rows / len(rows)).double().cpu()
    if not estimate.isfinite().all():
        return math.nan
    norm = float(torch.linalg.matrix_norm(estimate, 2))
    return 2 - norm - 1 / (norm + _NOTHING)


def _aligned(arrived: Tensor, signs: Tensor) -> Tensor:
    """Return gradients at a block's input as a matrix with a row for each position of its output.

    Where it reduced the positions, those that became one are channels of that one (space to depth).

    Args:
        arrived: Gradients at the input, shape (samples, channels, …).
        signs: Gradients at the output, shape (samples, channels, …).
    """
    inside, outside = arrived.shape[2:], signs.shape[2:]
    if len(inside) != len(outside) or any(i % o for i, o in zip(inside, outside, strict=True)):
        arrived = arrived.flatten(2)
        arrived = nn.functional.adaptive_avg_pool1d(arrived, outside.numel())
        return arrived.movedim(1, -1).flatten(0, -2)
    samples, channels = arrived.shape[:2]
    split = [size for i, o in zip(inside, outside, strict=True) for size in (o, i // o)]
    apart = arrived.reshape(samples, channels, *split)
    axes = range(len(outside))
    order = [0, *(2 + 2 * axis for axis in axes), 1, *(3 + 2 * axis for axis in axes)]
    return apart.permute(order).reshape(samples * outside.numel(), -1)
