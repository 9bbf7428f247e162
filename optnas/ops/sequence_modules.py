"""Modules for sequences that PyTorch does not have. Batches are (batch, length, features)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "ClassToken",
    "LearnedPositions",
    "Patches",
    "SelfAttention",
    "Sequence1d",
    "Sinusoids",
    "States",
]


class States(nn.Module):
    """Recurrent module that returns the outputs at all positions, without the final state."""

    def __init__(self, recurrent: nn.RNNBase) -> None:
        super().__init__()
        self.recurrent = recurrent

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.recurrent(x)[0]
        return states


class Sequence1d(nn.Module):
    """1-D convolution of (batch, length, features), with separate padding before and after."""

    def __init__(self, convolution: nn.Conv1d, padding: tuple[int, int]) -> None:
        super().__init__()
        self.convolution = convolution
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        convolved: Tensor = self.convolution(functional.pad(x.transpose(1, 2), self.padding))
        return convolved.transpose(1, 2)


class SelfAttention(nn.Module):
    """Multi-head self-attention by PyTorch's fused kernels."""

    def __init__(self, features: int, heads: int, causal: bool, dropout: float, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.dropout = dropout
        self.queries_keys_values = nn.Linear(features, 3 * features, bias)
        self.out = nn.Linear(features, features, bias)

    def forward(self, x: Tensor) -> Tensor:
        split = self.queries_keys_values(x).unflatten(-1, (3, self.heads, -1))
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(
            queries,
            keys,
            values,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=self.causal,
        )
        projected: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return projected


class LearnedPositions(nn.Module):
    """Learned position encoding, added to the input."""

    def __init__(self, length: int, features: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(length, features))
        nn.init.normal_(self.vectors, std=0.02)  # Dosovitskiy et al. 2021

    def forward(self, x: Tensor) -> Tensor:
        return x + self.vectors[: x.shape[1]]


class Sinusoids(nn.Module):
    """Position encoding by sin and cos at geometrically spaced frequencies (Vaswani et al. 2017)."""

    waves: Tensor

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


class Patches(nn.Module):
    """Linear projection of the square patches of an image to features."""

    def __init__(self, channels: int, width: int, size: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(channels, width, size, stride=size)

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.projection(x)
        return projected.flatten(2).transpose(1, 2)


class ClassToken(nn.Module):
    """Module that prepends a learned token to the sequence."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, features))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.token.to(x.dtype).expand(x.shape[0], -1, -1), x), 1)
