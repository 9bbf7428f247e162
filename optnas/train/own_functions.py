"""Check of whether a function of the user's own takes an argument."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

__all__ = ["takes"]

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def takes(function: Callable[..., Any], argument: str) -> bool:
    """Return whether a function of the user's own takes ``argument`` by name."""
    try:
        signature = inspect.signature(function.forward if isinstance(function, nn.Module) else function)
    except (TypeError, ValueError):  # one that is not written in Python
        return False
    return any(
        each.kind is inspect.Parameter.VAR_KEYWORD or (each.name == argument and each.kind in _BY_NAME)
        for each in signature.parameters.values()
    )
