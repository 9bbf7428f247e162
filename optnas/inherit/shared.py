"""A network with the weights of a study's supernet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from optnas.one_shot.keeping import kept_weights
from optnas.one_shot.layout import layout
from optnas.one_shot.traced import Traced
from optnas.one_shot.weights import weight_key

if TYPE_CHECKING:
    from optnas.trials.optuna_internals import ArtifactStore

__all__ = ["supernet_weights", "take_shared"]

# The supernet that was read last: all trials of a study begin with the same one.
_last: list[tuple[ArtifactStore, str, dict[str, Tensor]]] = []


def supernet_weights(store: ArtifactStore, name: str) -> dict[str, Tensor] | None:
    """Return a supernet's weights by place, read once in a process; ``None`` if they are not in the store.

    Raises:
        StoreError: If the store cannot be read.
    """
    if not (_last and _last[0][0] is store and _last[0][1] == name):
        found = kept_weights(store, name)
        if found is None:
            return None
        _last[:] = [(store, name, found)]
    return _last[0][2]


def take_shared(network: Traced, weights: dict[str, Tensor]) -> float:
    """Give a network its slices of a supernet's weights; return the share of its weights that these are."""
    taken = total = 0
    with torch.no_grad():
        for name, weight in network.module.named_parameters():
            total += weight.numel()
            largest = weights.get(weight_key(network, name))
            if largest is None or any(a < b for a, b in zip(largest.shape, weight.shape, strict=True)):
                continue
            owner, _, own = name.rpartition(".")
            how = layout(network.module.get_submodule(owner), own)
            weight.copy_(how.cut(largest, tuple(weight.shape)))
            taken += weight.numel()
    return taken / total if total else 1.0
