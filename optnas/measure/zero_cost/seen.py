"""Function mode that replaces or records activations, norms and embeddings while a network runs.

It sees calls of PyTorch's functions, whether they come from modules or from functions of someone's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["ACTIVATIONS", "EMBEDDINGS", "NORMS", "RECURRENT", "Replaced", "given"]

Function = Callable[..., Any]


def _named(names: Iterable[str]) -> frozenset[Function]:
    """Return the functions of these names, as functions, as methods and in place."""
    places = (torch, torch.Tensor, functional)
    spelled = [spelling for name in names for spelling in (name, f"{name}_")]
    return frozenset(getattr(place, name) for place in places for name in spelled if hasattr(place, name))


ACTIVATIONS = _named(
    (
        "celu", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
        "logsigmoid", "mish", "prelu", "relu", "relu6", "rrelu", "selu", "sigmoid", "silu", "softplus",
        "softshrink", "softsign", "tanh", "tanhshrink", "threshold",
    )
)  # fmt: skip
"""PyTorch's activations: functions of each number."""

RECURRENT = _named(("gru", "lstm", "rnn_relu", "rnn_tanh"))
"""Whole recurrent layers, whose activations are inside."""

NORMS = _named(("batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm"))
"""PyTorch's normalisations."""

EMBEDDINGS: frozenset[Function] = frozenset({functional.embedding, torch.embedding})
"""Functions that turn whole numbers into vectors."""


class Replaced(TorchFunctionMode):
    """Context in which functions are replaced.

    Args:
        replacements: For each function, another one. That is called with the function and its arguments.
    """

    def __init__(self, replacements: Mapping[Function, Function]) -> None:
        super().__init__()
        self._replacements = replacements

    def __torch_function__(
        self, func: Function, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        replacement = self._replacements.get(func)
        if replacement is None:
            return func(*args, **(kwargs or {}))
        return replacement(func, *args, **(kwargs or {}))


def given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> torch.Tensor:
    """Return the tensor that a function was given first, by place or by name."""
    found: torch.Tensor = args[0] if args else kwargs["input"]
    return found
