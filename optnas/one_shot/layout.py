"""Places of the weights of a smaller layer in those of the largest one."""

from __future__ import annotations

import dataclasses

from torch import Tensor, nn

__all__ = ["Layout", "layout"]

_GATES = {"LSTM": 4, "GRU": 3}


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the weights of a layer of any size lie in those of the largest.

    Attributes:
        kind: What has to be equal for weights to be shared at all, such as a number of groups.
        blocks: The number of blocks, one below the other on the first axis, that are cut separately, as the
            gates of an LSTM.
        centred: The first axis on which the middle is taken, as of kernels; before it the first channels are.
    """

    kind: str = ""
    blocks: int = 1
    centred: int | None = None

    def cut(self, largest: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return the part of ``largest`` that is the weight of ``shape``."""
        return self.view(largest, shape).reshape(shape)

    def view(self, largest: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return that part as a view to write to, its blocks on an axis of their own."""
        if self.blocks == 1:
            return self._narrowed(largest, shape, 0)
        rows, size = largest.shape[0] // self.blocks, shape[0] // self.blocks
        blocks = largest.reshape(self.blocks, rows, *largest.shape[1:]).narrow(1, 0, size)
        return self._narrowed(blocks, (self.blocks, size, *shape[1:]), 2)

    def _narrowed(self, weight: Tensor, shape: tuple[int, ...], first: int) -> Tensor:
        for axis in range(first, weight.dim()):
            missing = weight.shape[axis] - shape[axis]
            if missing:
                centred = self.centred is not None and axis >= self.centred
                weight = weight.narrow(axis, missing // 2 if centred else 0, shape[axis])
        return weight


def layout(owner: nn.Module, name: str) -> Layout:
    """Return the layout of the parameter ``name`` of the layer ``owner``."""
    if isinstance(owner, nn.modules.conv._ConvNd) and name == "weight":
        alone = owner.groups in (1, owner.in_channels)
        return Layout("" if alone else f"{owner.groups} groups", centred=2)
    if isinstance(owner, nn.modules.rnn.RNNBase):
        return Layout(blocks=_GATES.get(owner.mode, 1))
    if isinstance(owner, nn.MultiheadAttention) and name.startswith("in_proj"):
        return Layout(blocks=3)
    return Layout()
