"""Modules for sequences that PyTorch does not have, as they are written into the code of a network.

Each stands for one of ``optnas.ops``, with its weights in the same order.
"""

# They stand as people write them, who do not check types as strictly.
# mypy: disable-error-code="no-any-return, no-untyped-call, index, arg-type, operator, attr-defined"

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as PyTorch's own code calls it

__all__: list[str] = []


class MeanPosition(nn.Module):
    """Mean over the positions of (batch, length, features)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


class States(nn.Module):
    """Recurrent layers without their final state, only with the outputs at all positions."""

    def __init__(self, recurrent: nn.RNNBase) -> None:
        super().__init__()
        self.recurrent = recurrent

    def forward(self, x: Tensor) -> Tensor:
        return self.recurrent(x)[0]


class PaddedConv1d(nn.Conv1d):
    """Convolution over the positions of (batch, length, features), with zeros before and after."""

    def __init__(self, *sizes: int, before: int, after: int, **options: int) -> None:
        super().__init__(*sizes, **options)
        self.margin = (before, after)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x.transpose(1, 2), self.margin)).transpose(1, 2)


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017)."""

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        causal: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.dropout = dropout
        self.queries_keys_values = nn.Linear(features, 3 * features, bias)
        self.out = nn.Linear(features, features, bias)

    def forward(self, x: Tensor) -> Tensor:
        split = self.queries_keys_values(x).unflatten(-1, (3, self.heads, -1))
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(
            queries, keys, values, dropout_p=dropout, is_causal=self.causal
        )
        return self.out(attended.transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Multi-head attention from the positions of ``x`` to those of ``memory`` (Vaswani et al. 2017)."""

    def __init__(
        self,
        features: int,
        memory_features: int,
        heads: int,
        *,
        dropout: float = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.queries = nn.Linear(features, features, bias)
        self.keys_values = nn.Linear(memory_features, 2 * features, bias)
        self.out = nn.Linear(features, features, bias)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        queries = self.queries(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        split = self.keys_values(memory).unflatten(-1, (2, self.heads, -1))
        keys, values = split.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(queries, keys, values, dropout_p=dropout)
        return self.out(attended.transpose(1, 2).flatten(2))


class LearnedPositions(nn.Module):
    """Adds a learned vector to each position."""

    def __init__(self, length: int, features: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(length, features))
        nn.init.normal_(self.vectors, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.vectors[: x.shape[1]]


class Sinusoids(nn.Module):
    """Adds sin and cos at geometrically spaced frequencies to each position (Vaswani et al. 2017)."""

    def __init__(self, length: int, features: int) -> None:
        super().__init__()
        position = torch.arange(length).unsqueeze(1)
        frequency = torch.exp(torch.arange(0, features, 2) * (-math.log(10_000.0) / features))
        waves = torch.zeros(length, features)
        waves[:, 0::2] = torch.sin(position * frequency)
        waves[:, 1::2] = torch.cos(position * frequency)[:, : features // 2]
        self.register_buffer("waves", waves, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.waves[: x.shape[1]].to(x.dtype)


class Patches(nn.Conv2d):
    """Linear projection of the square patches of an image to the features of a sequence."""

    def __init__(self, channels: int, width: int, size: int) -> None:
        super().__init__(channels, width, size, stride=size)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).flatten(2).transpose(1, 2)


class ClassToken(nn.Module):
    """Puts a learned token before the sequence."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, features))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1)
