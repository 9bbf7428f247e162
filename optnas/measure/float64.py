"""Computation in float64 of networks whose code asks for float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["InFloat64"]


class InFloat64(TorchFunctionMode):
    """Context in which what would be float32 is float64: ``x.float()``, ``torch.ones(3)``, one-hot codes.

    A network that was converted by ``.double()`` may have ops that say float32 themselves, as someone's own
    often do, and PyTorch multiplies no matrices of two types.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Any = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is Tensor.float:
            func = Tensor.double
        double = {name: _double(value) for name, value in (kwargs or {}).items()}
        found = func(*map(_double, args), **double)
        if isinstance(found, Tensor) and found.dtype is torch.float32:
            return found.double()
        return found


def _double(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value
