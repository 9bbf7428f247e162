"""An op, an activation and a space of one's own: each under ten lines.

Runs in a second: prints what each costs, and ten architectures of the space with their costs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from optnas import choose, ops, real, repeat
from optnas.space import Node

# An op is an nn.Module class or a function that returns a module. What it is called with from the
# input's shape (in_channels, in_features, shape …) is filled in; its cost is counted.


@ops.op
class GhostConv(nn.Module):
    """Half the channels by a convolution, half by a cheap one from those (Han et al. 2020)."""

    def __init__(self, in_channels: int, width: int, kernel: int = 3) -> None:
        super().__init__()
        self.own = nn.Conv2d(in_channels, width // 2, kernel, padding="same")
        self.cheap = nn.Conv2d(width // 2, width // 2, kernel, padding="same", groups=width // 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((own := self.own(x), self.cheap(own)), 1)


# An activation is a function of a tensor.


@ops.op
def bent(x: Tensor, bend: float = 0.5) -> Tensor:
    """x, bent at the origin."""
    return x + bend * ((x * x + 1).sqrt() - 1)


# A space is a function that returns a tree with choices left open.


def ghosts(most: int = 4) -> Node:
    """Return the space of chains of ghost convolutions."""
    width = choose(8, 16, 32, name="width")
    activation = choose(ops.relu(), bent(bend=real(0.1, 1.0, name="bend")), name="activation")
    layer = ops.seq(GhostConv(width, kernel=choose(3, 5, name="kernel")), ops.norm(), activation)
    return ops.seq(repeat(layer, 1, most, name="layer"), ops.head())


def main() -> None:
    print(f"{GhostConv(16)}: {GhostConv(16).cost((3, 8, 8))}")
    print(f"{bent(bend=0.25)}: {bent(bend=0.25).cost((3, 8, 8))}")
    space = ghosts()
    print(f"{space}\n")
    for seed in range(10):
        architecture = space.sample(seed)
        cost = architecture.cost((3, 8, 8), outputs=10)
        print(f"{cost.params:8,} params {cost.flops:12,} FLOPs  {architecture}")
        architecture.build((3, 8, 8), outputs=10)(torch.randn(2, 3, 8, 8)).sum().backward()


if __name__ == "__main__":
    main()
