"""Which ops of one's own each format takes: ``python -m tests.export.own_table`` writes it down."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from optnas import op, ops
from optnas.space import Node
from tests.export.helpers import bytes_of_pictures, model_of
from tests.export.readme_tables import TRIED, outcome, write

SCALES = torch.tensor([0.5, 2.0])


@op
def own_softplus(x: Tensor, sharpness: float = 1.0) -> Tensor:
    return nn.functional.softplus(x, beta=sharpness)


@op
class OwnScaled(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(in_channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


@op
def own_merge(x: Tensor, y: Tensor) -> Tensor:
    return x * torch.sigmoid(y)


own_sine = op(torch.sin, name="own_sine")


@op(cost=lambda shape: ops.identity().cost(shape))
def own_by_value(x: Tensor) -> Tensor:
    return x * 2 if x.sum().item() > 0 else x


@op(cost=lambda shape: ops.identity().cost(shape))
def own_bessel(x: Tensor) -> Tensor:
    return torch.special.bessel_j0(x)


@op
def own_outside(x: Tensor) -> Tensor:
    return x * SCALES[0]


def scaled_by(factor: float) -> Callable[..., Node]:
    @op
    def own_inner(x: Tensor) -> Tensor:
        return x * factor

    return own_inner


own_inner = scaled_by(2.0)
own_lambda = op(lambda x: x + 1, name="own_lambda")

OPS: dict[str, Callable[[], Node]] = {
    "a function of what PyTorch has": own_softplus,
    "a class with weights": OwnScaled,
    "a merge of several tensors": lambda: ops.branch(ops.conv(3), ops.conv(3), merge=own_merge()),
    "a function of PyTorch's (`op(torch.sin)`)": own_sine,
    "one that reads values (`x * 2 if x.sum().item() > 0 else x`)": own_by_value,
    "one of what ONNX has no operator for (`torch.special.bessel_j0(x)`)": own_bessel,
    "one that uses a tensor from outside": own_outside,
    "one that is defined in a function, and uses its arguments": own_inner,
    "a lambda": own_lambda,
}


def row(name: str) -> str:
    """Return the row of an op."""
    architecture = ops.seq(ops.conv(4), OPS[name](), ops.head(2))
    found = outcome(model_of(architecture, bytes_of_pictures((3, 6, 6))), TRIED)
    return f"| {name} | {' | '.join(found[each] for each in TRIED)} |\n"


def table() -> str:
    """Return the table."""
    head = f"| op of your own | {' | '.join(TRIED)} |\n" + "| --- " * (1 + len(TRIED)) + "|\n"
    return head + "".join(map(row, OPS))


if __name__ == "__main__":
    torch.set_num_threads(1)
    write("own_table", table())
