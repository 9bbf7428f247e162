"""Checks that inputs are numbers that a network can be given: the same for arrays, data sets and files."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optnas.errors import UserError

__all__ = [
    "MOST",
    "Array",
    "as_array",
    "as_numbers",
    "is_whole",
    "refuse_far",
    "refuse_gaps",
    "refuse_unfit",
    "unfit",
]

Array = np.ndarray[Any, Any]

MOST = 1e18
"""The largest number that a network is given; the square of a larger one has no float32."""

# Whole numbers beyond lose digits in float64, in which the mean is subtracted.
_WHOLE = 2**53
_GAP = "holds a value that is not a finite number"


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number, of Python or NumPy."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def as_array(values: Any) -> Array:
    """Return values, tensors included, as an array that holds the very same.

    Raises:
        TypeError: If some are masked, texts among numbers, or in a tensor that NumPy has no like of.
        ValueError: If they are not of one shape.
    """
    if isinstance(values, list | tuple):
        values = [
            as_array(value) if isinstance(value, Tensor | np.ma.MaskedArray) else value for value in values
        ]
        array = np.asarray(values)
        if (
            array.ndim == 1
            and array.dtype.kind in "US"
            and not all(isinstance(value, str) for value in values)
        ):
            raise TypeError("some are texts and some are not; give all as texts, or all as numbers")
        return array
    if np.ma.is_masked(values):
        raise TypeError("some values are masked; fill them in, or leave their samples out")
    return np.asarray(_strided(values) if isinstance(values, Tensor) else values)


def _strided(tensor: Tensor) -> Tensor:
    """Return a tensor on the CPU, outside of any graph, of a type that NumPy has."""
    if torch.masked.is_masked_tensor(tensor):
        raise TypeError("some values are masked; fill them in, or leave their samples out")
    if tensor.is_nested or tensor.layout != torch.strided:
        raise TypeError("the tensor is nested or sparse; give a dense one, as by to_dense() or padding")
    if tensor.is_quantized:
        raise TypeError("the tensor is quantized; give its dequantize()")
    if tensor.is_meta:
        raise TypeError("the tensor is on the device meta and has no values; make it on the CPU")
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if not tensor.is_floating_point() or tensor.dtype in (torch.float16, torch.float32, torch.float64):
        return tensor
    try:
        return tensor.float()
    except (RuntimeError, TypeError):
        raise TypeError(f"PyTorch does not read {tensor.dtype}; give float32") from None


def as_numbers(values: Any) -> Array:
    """Return values, tensors included, as an array of booleans, whole or floating-point numbers.

    Raises:
        TypeError: If they are none, or would become others.
        ValueError: If they are texts, or not of one shape.
    """
    array = as_array(values)
    if array.dtype.kind == "c":
        raise TypeError("complex numbers have two parts; give them as two features")
    if array.dtype.kind in "mM":
        raise TypeError("dates and times are none; give what counts of them, such as hours")
    if array.dtype == object and any(isinstance(value, int) and abs(value) > _WHOLE for value in array.flat):
        raise TypeError("whole numbers beyond 2^53 lose digits; subtract an offset, or leave IDs out")
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        return array.astype(np.float64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)  # PyTorch takes no other machine's


def refuse_unfit(name: str, inputs: Array, where: Callable[[int], str]) -> None:
    """Raise unless every number is finite, within float32, and exact in float64.

    Args:
        name: Name of the data, for error messages.
        inputs: Shape (samples, …), as by :func:`as_numbers`.
        where: Function from a sample's place in ``inputs`` to its name.

    Raises:
        UserError: Names the first sample that holds another.
    """
    if (found := unfit(inputs)) is not None:
        place, what = found
        raise UserError(f"data {name!r}: {where(place)} {what}")


def unfit(inputs: Array) -> tuple[int, str] | None:
    """Return the place of the first sample that :func:`refuse_unfit` refuses, and why; ``None`` if none."""
    if not inputs.size or inputs.dtype.kind == "b":
        return None
    if inputs.dtype.kind in "iu":
        if inputs.dtype.itemsize < 8 or max(int(inputs.max()), -int(inputs.min())) <= _WHOLE:
            return None
        beyond = (inputs > _WHOLE) | (inputs < -_WHOLE)
        what = "holds a whole number beyond 2^53, which loses digits; subtract an offset, or leave IDs out"
        return _first(beyond), what
    if not (finite := np.isfinite(inputs)).all():
        return _first(~finite), _GAP
    most = np.finfo(np.float32).max
    if inputs.dtype != np.float64 or max(inputs.max(), -inputs.min()) <= most:
        return None
    what = "holds a number beyond 3.4e38, the largest of float32; scale the inputs, or leave it out"
    return _first(np.abs(inputs) > most), what


def refuse_gaps(name: str, numbers: Array, where: Callable[[int], str]) -> None:
    """Raise, as :func:`refuse_unfit` does, unless every number is finite."""
    _refuse(name, ~np.isfinite(numbers), where, _GAP)


def refuse_far(name: str, normalised: Tensor, where: Callable[[int], str]) -> None:
    """Raise, as :func:`refuse_unfit` does, if a normalised input is beyond :data:`MOST`."""
    what = "is too far from all that the training part has; mend it, or leave it out"
    _refuse(name, (normalised.abs() > MOST).numpy(), where, what)


def _refuse(name: str, bad: Array, where: Callable[[int], str], what: str) -> None:
    if bad.any():
        raise UserError(f"data {name!r}: {where(_first(bad))} {what}")


def _first(bad: Array) -> int:
    """Return the first sample with a number that is ``bad``."""
    return int(bad.reshape(len(bad), -1).any(axis=1).argmax())
