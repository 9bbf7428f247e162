"""Modules that PyTorch does not have, as they are written into the code of a network.

Each stands for one or two of ``optnas.ops``, with its weights in the same order.
"""

# They stand as people write them, who do not check types as strictly.
# mypy: disable-error-code="no-any-return, no-untyped-call, index, arg-type, operator, attr-defined"

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as PyTorch's own code calls it

__all__: list[str] = []


class Residual(nn.Sequential):
    """Layers whose output is added to their input."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class Projected(nn.Module):
    """Residual block whose input goes through a layer of its own, as its shape changes."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


class Gate(nn.Sequential):
    """Layers whose output is multiplied with their input."""

    def forward(self, x: Tensor) -> Tensor:
        return x * super().forward(x)


class SqueezeExcite(nn.Module):
    """Scales each channel by a weight that is computed from the means of all (Hu et al. 2018)."""

    def __init__(
        self,
        channels: int,
        squeezed: int,
        activation: Callable[[], nn.Module],
        gate: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.activation = activation()
        self.excite = nn.Conv2d(squeezed, channels, 1)
        self.gate = gate()

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        return x * self.gate(self.excite(self.activation(self.squeeze(means))))


class InvertedResidual(nn.Module):
    """Expands the channels, convolves each by itself, and projects them (Sandler et al. 2018)."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel_size: int,
        stride: int = 1,
        *,
        expansion: int = 1,
        squeezed: int = 0,
        drop: float = 0.0,
        activation: Callable[[], nn.Module] = nn.ReLU6,
        gate: Callable[[], nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        hidden, padding = channels * expansion, (kernel_size - 1) // 2
        layers: list[nn.Module] = []
        if expansion > 1:
            expand = nn.Conv2d(channels, hidden, 1, bias=False)
            layers += [expand, nn.BatchNorm2d(hidden), activation()]
        layers += [
            nn.Conv2d(hidden, hidden, kernel_size, stride, padding, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            activation(),
        ]
        if squeezed:
            layers.append(SqueezeExcite(hidden, squeezed, activation, gate))
        layers += [nn.Conv2d(hidden, width, 1, bias=False), nn.BatchNorm2d(width)]
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and channels == width
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        if not self.adds:
            return y
        if self.training and self.drop:
            kept = x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(1 - self.drop)
            y = y * kept / (1 - self.drop)
        return x + y


class AtPositions(nn.Module):
    """Applies a module for (features,) at every position of (length, features)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class ChannelsFirst(nn.Module):
    """Applies a module for (features, length) to (length, features)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x.transpose(1, 2)).transpose(1, 2)


class DropPath(nn.Module):
    """Zeroes each sample with probability ``rate`` in training, and scales up the others."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(1 - self.rate)
        return x * kept / (1 - self.rate)


class Zeros(nn.Module):
    """Zeros, in the shape of a convolution of that stride."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            x = x[(..., *[slice(None, None, self.stride)] * (x.dim() - 2))]
        return torch.zeros_like(x)


class FactorizedReduce(nn.Module):
    """Two 1×1 convolutions of stride 2, one shifted by a pixel, side by side."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(channels, width // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(channels, width - width // 2, 1, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        shifted = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        return torch.cat((self.even(x), self.odd(shifted)), 1)


class Joined(nn.Module):
    """Brings what comes from a smaller scale to the size of ``x``, and merges the two."""

    def __init__(
        self, merge: str = "concat", mode: str = "nearest", projection: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.merge = merge
        self.mode = mode
        self.projection = projection

    def forward(self, x: Tensor, below: Tensor) -> Tensor:
        if self.projection is not None:
            below = self.projection(below)
        if below.shape[2:] != x.shape[2:]:
            below = F.interpolate(below, x.shape[2:], mode=self.mode)
        if self.merge == "add":
            return x + below
        return below if self.merge == "none" else torch.cat((x, below), 1)


class GraphConvolution(nn.Module):
    """Linear layer of the mean over neighbours, by their degrees (Kipf & Welling 2017)."""

    def __init__(
        self, nodes: int, features: int, width: int, edges: list[tuple[int, int]], bias: bool = True
    ) -> None:
        super().__init__()
        linked = torch.eye(nodes)
        for one, other in edges:
            linked[one, other] = linked[other, one] = 1.0
        scale = linked.sum(1).rsqrt()
        self.register_buffer("adjacency", scale[:, None] * linked * scale, persistent=False)
        self.linear = nn.Linear(features, width, bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.adjacency.to(x.dtype) @ x)


class Table(nn.Module):
    """Features of mean 0 and variance 1, and 0 and 1, of a table's numbers and categories.

    It takes ``numbers`` (samples, columns), NaN where one is missing and dates as seconds, and
    ``codes`` (samples, columns), the place of each category, -1 for one that is not known.
    """

    def __init__(self, numbers: int, *, gaps: int, places: int, categories: int) -> None:
        super().__init__()
        self.numbers = numbers
        exact = dict.fromkeys(("fill", "mean", "deviation"), numbers + places)
        exact |= {"factor": numbers, "gap_mean": gaps, "gap_deviation": gaps}
        exact |= {"period": places, "shift": places}
        for name, size in exact.items():
            self.register_buffer(name, torch.zeros(size, dtype=torch.float64))
        whole = {"marked": gaps, "dated": places, "column": categories, "place": categories}
        for name, size in whole.items():
            self.register_buffer(name, torch.zeros(size, dtype=torch.int64))

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        features = self.measured(x["numbers"]) if self.numbers else []
        if len(self.column):
            features.append((x["codes"][:, self.column] == self.place).float())
        return torch.cat(features, 1)

    def measured(self, numbers: Tensor) -> list[Tensor]:
        dates = numbers[:, self.dated]  # each is at a place in a day, a week and a year
        since = dates - torch.floor(dates / self.period) * self.period
        waves = torch.sin(since * (2 * torch.pi / self.period) + self.shift)
        values = torch.cat((numbers * self.factor, waves), 1)
        values = torch.where(torch.isnan(values), self.fill, values)
        values = ((values - self.mean) / self.deviation).float()
        gaps = torch.isnan(numbers[:, self.marked]).double()
        gaps = ((gaps - self.gap_mean) / self.gap_deviation).float()
        return [values[:, : self.numbers], gaps, values[:, self.numbers :]]


class Stack(nn.Module):
    """Cells, each applied to the outputs of the two before it (Zoph et al. 2018)."""

    def __init__(self, *cells: nn.Module) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)

    def forward(self, x: Tensor) -> Tensor:
        before = x
        for cell in self.cells:
            before, x = x, cell(before, x)
        return x


class MeanOutputs(nn.Module):
    """Mean of the outputs of several networks (Lakshminarayanan et al. 2017)."""

    def __init__(self, *members: nn.Module) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor | dict[str, Tensor] | tuple[Tensor, ...]) -> Tensor:
        return torch.stack([member(x).float() for member in self.members]).mean(0)


class MeanProbabilities(nn.Module):
    """Mean of the probabilities that the logits of several networks are, as logits again.

    Deep ensembles: Lakshminarayanan et al. 2017.
    """

    def __init__(self, *members: nn.Module) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor | dict[str, Tensor] | tuple[Tensor, ...]) -> Tensor:
        logits = torch.stack([member(x).float() for member in self.members])
        return logits.log_softmax(2).logsumexp(0) - math.log(len(self.members))


class FeaturePReLU(nn.PReLU):
    """PReLU with a slope for each feature of (batch, length, features)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=0) + self.weight * x.clamp(max=0)


LARGEST = 2.0**15


def bounded(x: Tensor) -> Tensor:
    """Keep numbers within ±32768, so that no function of them is infinite."""
    return x.clamp(-LARGEST, LARGEST)


def exponential(x: Tensor) -> Tensor:
    """The exponential function, at most 32768."""
    return x.clamp(max=math.log(2.0**15)).exp()


def sinc(x: Tensor) -> Tensor:
    """sin(x) / x, by its series near 0."""
    near = x.abs() < 1e-2
    away = torch.where(near, 1.0, x)
    return torch.where(near, 1 - x * x / 6, away.sin() / away)
