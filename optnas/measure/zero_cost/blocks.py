"""The blocks of a network, and the features that they put out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from optnas.data.trees import leaves
from optnas.measure.zero_cost.batch import Batch, weights

__all__ = ["Features", "entropy", "features", "flat"]

# Of a network of fewer blocks one that has most of the weights is taken apart: it is a stack or a backbone.
_FEWEST = 4


class Features(NamedTuple):
    """The output of one block, with its graph.

    Attributes:
        values: The features, shape (samples, …).
        channels: The axis of the channels; the others are samples and positions.
        learns: Whether the block has weights.
    """

    values: Tensor
    channels: int
    learns: bool


def features(module: nn.Module, batch: Batch) -> list[Features]:
    """Run a network and return the features of its blocks in order, without its outputs.

    A block is a link of the network's chain: a part with parts of its own, such as a cell, or a layer with
    weights and the norms, activations and pooling that follow it. The last block, which puts out the answer,
    is left out if there are others.
    """
    chain = list(_parts(module))
    if len(_blocks(chain)) < _FEWEST:
        heavy = [i for i, part in enumerate(chain) if _is_composite(part) and 2 * _size(part) > _size(module)]
        for place in heavy:
            chain[place : place + 1] = _parts(chain[place])
    found = [_Block(parts, batch.size) for parts in _blocks(chain)]
    module(batch.inputs)
    given = [block.features for block in found if block.features is not None]
    return given[:-1] if len(given) > 1 else given


class _Block:
    """The parts of a block, and what they put out as the network runs."""

    def __init__(self, parts: list[nn.Module], samples: int) -> None:
        within = [each for part in parts for each in part.modules()]
        self.features: Features | None = None
        self._channels_first = any(isinstance(each, nn.modules.conv._ConvNd) for each in within)
        self._learns = any(weights(each) for each in within)
        self._samples = samples
        for part in parts:
            part.register_forward_hook(self._take)

    def _take(self, part: nn.Module, given: Any, output: Any) -> None:
        values = next((each for each in leaves(output) if isinstance(each, Tensor)), None)
        if values is None or not values.is_floating_point() or values.dim() < 2:
            return
        if len(values) != self._samples or (self.features is not None and self._ends(values)):
            return
        channels = 1 if self._channels_first or values.dim() != 3 else 2
        self.features = Features(values, channels, self._learns)

    def _ends(self, values: Tensor) -> bool:
        """Return whether ``values`` have no positions any more, as at the beginning of a head."""
        assert self.features is not None
        before = self.features.values
        return values.dim() < before.dim() or values[0, 0].numel() == 1 < before[0, 0].numel()


def flat(values: Tensor, channels: int) -> Tensor:
    """Return features as a matrix, shape (samples and positions, channels)."""
    return values.movedim(channels, -1).flatten(0, -2)


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the parts that ``module`` calls, chains and lists of parts taken apart."""
    for child in module.children():
        if isinstance(child, nn.Sequential | nn.ModuleList | nn.ModuleDict):
            yield from _parts(child)
        else:
            yield child


def _is_composite(part: nn.Module) -> bool:
    return any(True for _ in part.children())


def _size(part: nn.Module) -> int:
    return sum(weight.numel() for weight in weights(part))


def _blocks(chain: list[nn.Module]) -> list[list[nn.Module]]:
    """Return the parts of each block."""
    blocks: list[list[nn.Module]] = []
    for part in chain:
        if _is_composite(part) or weights(part):
            blocks.append([part])
        elif blocks and not _is_composite(blocks[-1][0]):
            blocks[-1].append(part)
    return blocks


def entropy(features: Features) -> float:
    """Return the entropy of the spectrum of the channels' covariance: how evenly features use their space."""
    rows = flat(features.values.detach(), features.channels).double()
    if not rows.isfinite().all():
        return math.nan
    rows = rows - rows.mean(dim=0)
    spectrum = torch.linalg.eigvalsh((rows.T @ rows / len(rows)).cpu()).clamp(min=0)
    whole = spectrum.sum()
    if not whole > 0:
        return 0.0  # the features do not differ at all
    return float(torch.special.entr(spectrum / whole).sum())
