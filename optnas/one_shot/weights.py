"""Weights that all architectures of a space share, each as large as the largest layer at its place needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from optnas.one_shot.layout import Layout, layout
from optnas.one_shot.traced import Traced

__all__ = ["SharedWeights", "Slice", "weight_key"]


def weight_key(network: Traced, name: str) -> str:
    """Return the key of a parameter of ``network``, which is the same for all that share its weight."""
    how = _layout(network, name)
    return f"{network.keys[name]} {how.kind}{network.module.get_parameter(name).dim()}d"


def _layout(network: Traced, name: str) -> Layout:
    owner, _, own = name.rpartition(".")
    return layout(network.module.get_submodule(owner), own)


@dataclasses.dataclass(frozen=True)
class Slice:
    """Part of a shared weight that a layer uses: its ``shape`` and how that lies in the largest one."""

    key: str
    shape: tuple[int, ...]
    layout: Layout


class SharedWeights(nn.Module):
    """The weights of a search space by place.

    A weight is as large as the largest one that was asked for. One that grows keeps what it has learned, and
    the new part begins as that of a fresh layer. It is another parameter then, as graphs and optimisers may
    still hold the smaller one.

    Attributes:
        changes: The number of times that a weight came or grew.
    """

    def __init__(self) -> None:
        super().__init__()
        self._list = nn.ParameterList()
        self._places: dict[str, int] = {}
        self.changes = 0

    def __getitem__(self, key: str) -> nn.Parameter:
        weight: nn.Parameter = self._list[self._places[key]]
        return weight

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def slices(self, network: Traced) -> dict[str, Slice]:
        """Return the slice of each parameter of ``network`` by its name; weights that are missing are added.

        Their values are those of the network.
        """
        made = {}
        with torch.no_grad():
            for name, parameter in network.module.named_parameters():
                how, key = _layout(network, name), weight_key(network, name)
                self._require(key, parameter, how)
                made[name] = Slice(key, tuple(parameter.shape), how)
        return made

    def of(self, part: Slice) -> Tensor:
        """Return the slice of a weight, as a view of it."""
        return part.layout.cut(self[part.key], part.shape)

    def _require(self, key: str, fresh: Tensor, how: Layout) -> None:
        if key not in self:
            self._put(key, fresh.detach().clone())
            return
        kept = self[key]
        if all(have >= need for have, need in zip(kept.shape, fresh.shape, strict=True)):
            return
        shape = tuple(map(max, kept.shape, fresh.shape))
        # Beyond both: as the fresh layer's values are spread.
        spread = fresh.std().item() if fresh.numel() > 1 else 0.0
        larger = torch.randn(shape, dtype=kept.dtype, device=kept.device) * spread + fresh.mean().to(
            kept.device
        )
        for values in (fresh, kept):
            part = how.view(larger, tuple(values.shape))
            part.copy_(values.reshape(part.shape))
        self._put(key, larger)

    def _put(self, key: str, value: Tensor) -> None:
        """Set a weight to a new parameter, which is where the other weights are."""
        first = next(iter(self._list), None)
        weight = nn.Parameter(value if first is None else value.to(first.device))
        if key in self:
            self._list[self._places[key]] = weight
        else:
            self._places[key] = len(self._list)
            self._list.append(weight)
        self.changes += 1

    def values(self) -> dict[str, Tensor]:
        """Return all weights by place, detached."""
        return {key: self[key].detach() for key in self}

    def restore(self, values: Mapping[str, Tensor]) -> None:
        """Take over weights that :meth:`values` returned, also of places that were not yet asked for."""
        for key, value in values.items():
            self._put(key, value.detach().clone())
