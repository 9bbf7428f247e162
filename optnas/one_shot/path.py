"""One architecture of a supernet, on the supernet's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from optnas.one_shot.weights import SharedWeights, Slice

__all__ = ["OnSharedWeights"]


class OnSharedWeights(nn.Module):
    """Network whose weights are slices of those that a supernet shares.

    Gradients arrive in the shared weights, and :meth:`parameters` are those that it uses. Buffers, such as
    the running statistics of batch norms, are its own: those of other architectures would be wrong.

    Args:
        weights: The weights of the supernet.
        module: The network as it was built; its own weights are not used.
        slices: The slice of each of its parameters.
    """

    def __init__(self, weights: SharedWeights, module: nn.Module, slices: Mapping[str, Slice]) -> None:
        super().__init__()
        self._shared = [weights]  # in a list: its weights are not all this network's
        self._slices = dict(slices)
        self._owners = {name: module.get_submodule(name.rpartition(".")[0]) for name in slices}
        for name, owner in self._owners.items():
            owner._parameters[name.rpartition(".")[2]] = None  # set for each forward pass
        self._recurrent = [part for part in module.modules() if isinstance(part, nn.RNNBase)]
        self.network = module

    def forward(self, *inputs: Any) -> Any:
        weights = self._shared[0]
        for name, part in self._slices.items():
            self._owners[name]._parameters[name.rpartition(".")[2]] = weights.of(part)  # type: ignore[assignment]
        # They keep a list of their weights, which moving them to a device has emptied.
        for layer in self._recurrent:
            layer._flat_weights = [getattr(layer, name) for name in layer._flat_weights_names]
        return self.network(*inputs)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        seen = set[str]()
        for name, part in self._slices.items():
            if part.key not in seen:
                seen.add(part.key)
                yield (f"{prefix}.{name}" if prefix else name), self._shared[0][part.key]

    def weights(self) -> dict[str, Tensor]:
        """Return the values of the network's parameters by name, detached: those that a copy of it has."""
        with torch.no_grad():
            return {name: self._shared[0].of(part).clone() for name, part in self._slices.items()}

    def copy_to(self, module: nn.Module) -> nn.Module:
        """Copy the weights and buffers to a network that was built for the same architecture; return it."""
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter.copy_(self._shared[0].of(self._slices[name]))
            buffers = dict(self.network.named_buffers())
            for name, buffer in module.named_buffers():
                buffer.copy_(buffers[name])
        return module
