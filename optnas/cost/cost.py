"""The exact cost of an architecture on one sample."""

from __future__ import annotations

import dataclasses
from typing import Any

from optnas.cost.paths import Paths, after, longest
from optnas.space.shapes import AnyShape

__all__ = ["COSTS", "Cost"]


@dataclasses.dataclass(frozen=True)
class Cost:
    """The costs of one sample's forward pass, and the output's shape.

    Attributes:
        shape: The output's shape without the batch, or those of several outputs by name.
        flops: 2 × multiply-accumulates of convolutions, matrix products and attention: the
            convention of ``torch.utils.flop_counter``. Biases, norms and activations cost nothing.
        params: The number of weights, frozen ones included; buffers do not count.
        activations: Numbers that the layers write, each layer's output counted once. The memory that
            training keeps for the backward pass grows with it; in float32 each takes 4 bytes.
        elementwise: Arithmetic functions applied number by number: activations, norms, pooling,
            sums of branches. By that convention they are not part of ``flops``. Of an op of one's own
            each of PyTorch's operators counts with the functions in its formula, ``gelu`` as 4.
        depth: The number of layers with weights on the longest path from an input to an output.
        width: The most output channels (of images) or features of a layer with weights, the last layer
            included; by default those of ``shape`` if there is such a layer.
        paths: The longest path between each input and output, if there are several of either, or it is the
            cost of a merge, whose inputs are its branches by their places; else ``None``.
    """

    shape: Any
    flops: int = 0
    params: int = 0
    activations: int = 0
    elementwise: int = 0
    depth: int = 0
    width: int = 0
    paths: Paths | None = dataclasses.field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.depth and isinstance(self.shape, tuple) and self.shape and not self.width:
            object.__setattr__(self, "width", self.shape[0 if len(self.shape) >= 3 else -1])

    @property
    def through(self) -> Paths:
        """``paths``, also where there is one input and one output."""
        return {(): {(): self.depth}} if self.paths is None else self.paths

    @property
    def macs(self) -> int:
        """Multiply-accumulates: half the FLOPs, as most papers count."""
        return self.flops // 2

    def then(self, following: Cost) -> Cost:
        """Return the cost of this part of a network followed by another."""
        paths = after(self.through, following.through) if self.paths or following.paths else None
        return Cost(
            following.shape,
            self.flops + following.flops,
            self.params + following.params,
            self.activations + following.activations,
            self.elementwise + following.elementwise,
            self.depth + following.depth if paths is None else longest(paths),
            max(self.width, following.width),
            paths,
        )

    def beside(self, other: Cost, shape: AnyShape) -> Cost:
        """Return the cost of this part parallel to another, merged to ``shape``; the merge is not counted.

        Both have one input; of several, ``paths`` have to be set by who knows them.
        """
        return Cost(
            shape,
            self.flops + other.flops,
            self.params + other.params,
            self.activations + other.activations,
            self.elementwise + other.elementwise,
            max(self.depth, other.depth),
            max(self.width, other.width),
        )


COSTS = ("flops", "macs", "params", "activations", "elementwise", "depth", "width")
"""The names of the costs in objectives and constraints."""
