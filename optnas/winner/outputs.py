"""The unit of a trained network's outputs, as its folder records it, and the layer that converts to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from optnas.data.schemas.json_numbers import as_tensor
from optnas.data.trees import Tree
from optnas.tasks import Task

__all__ = ["scaling", "scaling_record", "unscaled"]

_HEADS = "heads"


def scaling_record(task: Task, temperature: float = 1.0) -> dict[str, Any] | None:
    """Return ``deviation`` and ``mean`` of a task's outputs, or those of ``heads`` by name; or ``None``.

    Args:
        task: The task.
        temperature: What logits are divided by, for a task that has no scale of its own.
    """
    scale = task.output_scale
    if scale is None:
        return None if temperature == 1 else {"deviation": 1 / temperature, "mean": 0.0}
    if isinstance(scale, Mapping):
        return {_HEADS: {str(name): _figures(*each) for name, each in scale.items()}}
    return _figures(*scale)


def _figures(deviation: Tensor, mean: Tensor) -> dict[str, Any]:
    return {"deviation": deviation.tolist(), "mean": mean.tolist()}


def scaling(record: Mapping[str, Any] | None) -> nn.Module:
    """Return the layer that converts a network's outputs to the unit of the targets."""
    if record is None:
        return nn.Identity()
    if _HEADS in record:
        return _ScaleHeads({name: _Scale(**each) for name, each in record[_HEADS].items()})
    return _Scale(**record)


def unscaled(layer: nn.Module, outputs: Tree) -> Tree:
    """Invert :func:`scaling`: return the network's own outputs of scaled ``outputs``."""
    return layer.back(outputs) if isinstance(layer, _Scale | _ScaleHeads) else outputs


class _Scale(nn.Module):
    """Layer that converts outputs of mean 0 and deviation 1 to those of the targets."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, deviation: Any, mean: Any) -> None:
        super().__init__()
        self.register_buffer("deviation", as_tensor(deviation, torch.float32))
        self.register_buffer("mean", as_tensor(mean, torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.deviation + self.mean

    def back(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation


class _ScaleHeads(nn.Module):
    """Layer that converts the outputs of some heads, and leaves others as they are."""

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.names = tuple(layers)
        self.layers = nn.ModuleList(layers.values())  # a ModuleDict has names of its own

    def forward(self, x: Mapping[str, Any]) -> dict[str, Any]:
        converted = {name: layer(x[name]) for name, layer in zip(self.names, self.layers, strict=True)}
        return {**x, **converted}

    def back(self, x: Mapping[str, Any]) -> dict[str, Any]:
        found = {name: unscaled(layer, x[name]) for name, layer in zip(self.names, self.layers, strict=True)}
        return {**x, **found}
