"""Orders of the samples in which every class comes equally often."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["balanced_order"]


def balanced_order(classes: Tensor, count: int, size: int, generator: torch.Generator) -> Tensor:
    """Return ``count`` indices of samples, so that every class comes equally often, give or take one.

    Each batch has as many of each class as well, give or take one or two. All samples of a class come
    before one of them comes again.

    Args:
        classes: The class of each sample, shape (samples,), on the CPU.
        count: The number of indices.
        size: The number of indices in a batch.
        generator: A generator on the CPU.
    """
    members = _groups(classes)
    # Rounds of all classes, each in an order of its own; what follows in a round is mixed within its batch.
    rounds = -(-count // len(members))
    drawn = torch.rand(rounds, len(members), generator=generator).argsort(1).flatten()[:count]
    order = torch.empty(count, dtype=torch.int64)
    for places in _groups(drawn):
        own = members[int(drawn[places[0]])]
        times = -(-len(places) // len(own))
        shuffled = torch.rand(times, len(own), generator=generator).argsort(1).flatten()
        order[places] = own[shuffled[: len(places)]]
    batch = torch.arange(count) // size
    mixed = (batch + torch.rand(count, generator=generator, dtype=torch.float64)).argsort()
    return order[mixed]


def _groups(classes: Tensor) -> list[Tensor]:
    """Return the places of each class that is there."""
    counts = classes.bincount()
    return list(torch.split(classes.argsort(stable=True), counts[counts > 0].tolist()))
