"""Modules that PyTorch does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from optnas.space import Op

__all__ = [
    "Applied",
    "ChannelsFirst",
    "DropPath",
    "FactorizedReduce",
    "Function",
    "Gated",
    "MeanPosition",
    "Merged",
    "Positionwise",
    "Residual",
    "Zeros",
]


class _OfOp(nn.Module):
    """Module with the function of an op, which is pickled by the op's name: the function itself has none."""

    def __init__(self, function: Callable[..., Tensor], op: Op | None) -> None:
        super().__init__()
        self.function = function
        self.op = op

    def __getstate__(self) -> dict[str, Any]:
        state = dict(vars(self))
        if self.op is not None:
            del state["function"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        if self.op is not None:
            self.function = self.op.function


class Applied(_OfOp):
    """Module that applies a function with constants, which are parameters if ``learnable``.

    A learned constant stays in float32 when the model is computed in half precision by autocast.
    """

    def __init__(
        self,
        function: Callable[..., Tensor],
        constants: dict[str, float],
        *,
        learnable: bool = False,
        op: Op | None = None,
    ) -> None:
        super().__init__(function, op)
        self.constants: dict[str, float] = {} if learnable else constants
        self.learned = nn.ParameterDict(
            {name: nn.Parameter(torch.tensor(float(value))) for name, value in constants.items()}
            if learnable
            else {}
        )

    def forward(self, *of: Tensor) -> Tensor:
        learned = {name: value.to(of[0].dtype) for name, value in self.learned.items()}
        return self.function(*of, **self.constants, **learned)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value:g}" for name, value in self.constants.items())


class Function(_OfOp):
    """Module that applies a function to tensors; modules among ``arguments`` become submodules."""

    def __init__(
        self, function: Callable[..., Tensor], arguments: dict[str, Any], op: Op | None = None
    ) -> None:
        super().__init__(function, op)
        self.arguments = arguments
        self.submodules = nn.ModuleDict({k: v for k, v in arguments.items() if isinstance(v, nn.Module)})

    def forward(self, *of: Tensor) -> Tensor:
        return self.function(*of, **self.arguments)

    def extra_repr(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        return ", ".join([name, *(f"{key}={value}" for key, value in self.arguments.items())])


class Merged(nn.Module):
    """Module that applies several branches to one input and merges their outputs."""

    def __init__(self, branches: Iterable[nn.Module], merging: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.merging = merging

    def forward(self, x: Tensor) -> Tensor:
        merged: Tensor = self.merging(*(branch(x) for branch in self.branches))
        return merged


class Residual(nn.Module):
    """Residual connection ``body(x) + shortcut(x)``; the shortcut is the identity unless shapes differ."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        body: Tensor = self.body(x)
        return body + (x if self.shortcut is None else self.shortcut(x))


class Gated(nn.Module):
    """Module that computes ``x · gate(x)``."""

    def __init__(self, gate: nn.Module) -> None:
        super().__init__()
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)  # type: ignore[no-any-return]


class Positionwise(nn.Module):
    """Module that applies a module for (features,) at every position of (length, features)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # type: ignore[no-any-return]


class ChannelsFirst(nn.Module):
    """Module that applies a module for (features, length) to (length, features)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]


class DropPath(nn.Module):
    """Drop path: zeroes each sample with probability ``rate`` in training and scales up the others."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(1 - self.rate)
        return x * kept / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


class Zeros(nn.Module):
    """Module that outputs zeros, in the output shape of a convolution of that stride."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            every = slice(None, None, self.stride)
            x = x[(slice(None), slice(None), *[every] * (x.dim() - 2))]
        return torch.zeros_like(x)

    def extra_repr(self) -> str:
        return f"stride={self.stride}"


class FactorizedReduce(nn.Module):
    """Two 1×1 convolutions of stride 2, one shifted by a pixel, with concatenated channels."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(channels, width // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(channels, width - width // 2, 1, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # With the padding, both convolutions have the same output shape on images of odd size.
        shifted = nn.functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        return torch.cat((self.even(x), self.odd(shifted)), 1)


class MeanPosition(nn.Module):
    """Mean over the positions of (batch, length, features)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)
