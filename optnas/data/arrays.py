"""Checks of inputs and targets: arrays that fit together, without missing values."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from optnas.data.labels import checked_labels
from optnas.errors import UserError

__all__ = ["MOST", "Array", "Kind", "as_inputs", "as_targets", "classes_in"]

Array = np.ndarray[Any, Any]

MOST = 1e18
"""The largest number that a network is given; the square of a larger one has no float32."""

Kind = Literal["auto", "classes", "values"]
"""Kind of targets; ``auto``: values if they are floating-point numbers, else classes."""


def as_inputs(name: str, x: Any) -> Array:
    """Return inputs as an integer or float64 array, shape (samples, …).

    Raises:
        UserError: If they are not finite numbers of one shape, or there is no sample.
    """
    try:
        inputs = _as_array(x)
        if inputs.dtype.kind == "c":
            raise TypeError("complex numbers have two parts; give them as two features")
        if inputs.dtype.kind in "mM":
            raise TypeError("dates and times are none; give what counts of them, such as hours")
        # Beyond 2^53 differences would be lost where the mean is subtracted.
        if inputs.dtype.kind in "iu" and max(int(inputs.max(initial=0)), -int(inputs.min(initial=0))) > 2**53:
            raise TypeError("whole numbers beyond 2^53 lose digits; subtract an offset, or leave IDs out")
        if not np.issubdtype(inputs.dtype, np.integer):
            inputs = inputs.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"data {name!r}: the inputs must be numbers of one shape: {error}") from None
    if inputs.ndim < 2 or inputs.size == 0:
        raise UserError(f"data {name!r}: inputs of shape {inputs.shape}; give (samples, …)")
    _refuse_gaps(name, "sample", inputs)
    if inputs.dtype.kind == "f" and max(inputs.max(), -inputs.min()) > np.finfo(np.float32).max:
        sample = np.unravel_index(np.abs(inputs).argmax(), inputs.shape)[0]
        raise UserError(
            f"data {name!r}: sample {sample} holds a number beyond 3.4e38, the largest of float32; scale the"
            " inputs, or leave it out"
        )
    return inputs


def _as_array(values: Any) -> Array:
    """Return values, tensors included, as an array.

    Raises:
        TypeError: If some of them are masked, or it is a tensor that NumPy has no like of.
        ValueError: If they are not of one shape.
    """
    if np.ma.is_masked(values):
        raise TypeError("some values are masked; fill them in, or leave their samples out")
    if isinstance(values, torch.Tensor):
        if values.is_nested or values.layout != torch.strided:
            raise TypeError("the tensor is nested or sparse; give a dense one")
        values = values.detach().cpu().resolve_conj().resolve_neg()
        if values.dtype in (torch.bfloat16, torch.float16):
            values = values.float()
    return np.asarray(values)


def as_targets(name: str, y: Any, count: int, kind: Kind) -> Array:
    """Return targets: int64 classes, shape (count,), or float32 values, (count,) or (count, values).

    Raises:
        UserError: If they are not one for each of ``count`` samples, or not of ``kind``.
    """
    if kind not in ("auto", "classes", "values"):
        raise UserError(f"data {name!r}: targets={kind!r} must be 'classes', 'values' or 'auto'")
    try:
        targets = _as_array(y)
    except (TypeError, ValueError) as error:
        raise UserError(f"data {name!r}: the targets must be of one shape: {error}") from None
    if kind == "auto":
        kind = "values" if np.issubdtype(targets.dtype, np.floating) else "classes"
    return _as_classes(name, targets, count) if kind == "classes" else _as_values(name, targets, count)


def _as_classes(name: str, labels: Array, count: int) -> Array:
    """Return labels as classes: whole numbers unchanged, texts numbered in alphabetical order."""
    if labels.shape != (count,):
        raise UserError(
            f"data {name!r}: labels of shape {labels.shape} do not fit {count} inputs: give one each"
        )
    if labels.dtype.kind == "b" or all(isinstance(label, str) for label in labels):
        labels = np.unique(labels, return_inverse=True)[1]
    return checked_labels(name, labels)


def classes_in(targets: Array) -> Array | None:
    """Return ``targets``, the result of :func:`as_targets`, if they are classes; else ``None``."""
    return targets if targets.dtype == np.int64 else None


def _as_values(name: str, targets: Array, count: int) -> Array:
    try:
        values = targets.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(f"data {name!r}: targets that are values must be numbers: {error}") from None
    if values.ndim not in (1, 2) or len(values) != count or values.size == 0:
        raise UserError(
            f"data {name!r}: targets of shape {values.shape} do not fit {count} inputs:"
            " give (samples,) or (samples, values)"
        )
    _refuse_gaps(name, "target", values)
    return values


def _refuse_gaps(name: str, what: str, numbers: Array) -> None:
    good = np.isfinite(numbers).reshape(len(numbers), -1).all(axis=1)
    if not good.all():
        raise UserError(
            f"data {name!r}: {what} {int(np.argmin(good))} holds a value that is not a finite number"
        )
