"""The few modules that PyTorch does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

__all__ = ["Function", "Residual", "Swish"]


class Function(nn.Module):
    """A function of a tensor as a module; ``arguments`` that are modules are its submodules."""

    def __init__(self, function: Callable[..., Tensor], arguments: dict[str, Any]) -> None:
        super().__init__()
        self.function = function
        self.arguments = arguments
        self.submodules = nn.ModuleDict({k: v for k, v in arguments.items() if isinstance(v, nn.Module)})

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, **self.arguments)

    def extra_repr(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        return ", ".join([name, *(f"{key}={value}" for key, value in self.arguments.items())])


class Residual(nn.Module):
    """``body(x) + shortcut(x)``, the shortcut being the identity unless shapes differ."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        body: Tensor = self.body(x)
        return body + (x if self.shortcut is None else self.shortcut(x))


class Swish(nn.Module):
    """``x · sigmoid(beta · x)`` (Ramachandran et al. 2017, arXiv 1710.05941)."""

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        if self.beta == 1.0:
            return nn.functional.silu(x)  # one fused kernel for three
        return x * (self.beta * x).sigmoid()

    def extra_repr(self) -> str:
        return f"beta={self.beta}"
