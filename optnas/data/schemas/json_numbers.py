"""Numbers of JSON that strangers wrote: finite ones, or nothing."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

__all__ = ["as_number", "as_tensor"]


def as_number(value: Any) -> float:
    """Return a finite number of JSON.

    Raises:
        TypeError, ValueError: If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.50} is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("a number is not finite")
    return number


def as_tensor(values: Any, dtype: torch.dtype) -> Tensor:
    """Return a number of JSON, or lists of numbers of one shape, as a tensor.

    Raises:
        TypeError, ValueError: If they are no numbers, not finite, or of different shapes.
    """
    try:
        found = torch.tensor(values)
        if not found.is_floating_point() and found.dtype != torch.int64:
            raise TypeError("they are neither a number nor lists of numbers")
        exact = torch.tensor(values, dtype=dtype)
    except (RuntimeError, OverflowError) as error:
        raise ValueError(f"they are no numbers: {error}") from None
    if not bool(torch.isfinite(exact).all()):
        raise ValueError("a number is not finite")
    return exact
