"""Checks of inputs and targets: arrays that fit together, without missing values."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from optnas.data.labels import checked_labels, class_names, numbered
from optnas.data.numbers import Array, as_array, as_numbers, refuse_gaps, refuse_unfit
from optnas.errors import UserError

__all__ = ["InputKind", "Kind", "as_ids", "as_inputs", "as_raw", "as_targets", "classes_in"]

Kind = Literal["auto", "classes", "values", "points", "boxes"]
"""Kind of targets; ``auto``: values if they are floating-point numbers, else classes.

Points and boxes are values that are positions in an image.
"""

# Beyond, floating-point numbers leave some out, and the largest of 64 bits without a sign become negative.
_MOST_ID = 2**53

InputKind = Literal["numbers", "raw", "ids"]
"""Kind of inputs: numbers are normalised, raw numbers are not; ids are whole numbers that stay such."""

# Larger whole numbers have no exact float32.
_MOST_RAW = 2**24


def as_inputs(name: str, x: Any) -> Array:
    """Return inputs as an integer or float64 array, shape (samples, …).

    Raises:
        UserError: If they are not finite numbers of one shape, or there is no sample.
    """
    try:
        inputs = as_numbers(x)
    except (TypeError, ValueError) as error:
        raise UserError(f"data {name!r}: the inputs must be numbers of one shape: {error}") from None
    if inputs.ndim < 2 or inputs.size == 0:
        raise UserError(f"data {name!r}: inputs of shape {inputs.shape}; give (samples, …)")
    refuse_unfit(name, inputs, "sample {}".format)
    return inputs if inputs.dtype.kind in "iu" else inputs.astype(np.float64)


def as_raw(name: str, x: Any) -> Array:
    """Return inputs that stay as they are, as a float32 array, shape (samples, …).

    Raises:
        UserError: As :func:`as_inputs` does, or if they are whole numbers that float32 cannot hold.
    """
    inputs = as_inputs(name, x)
    if inputs.dtype.kind in "iu" and max(int(inputs.max()), -int(inputs.min())) > _MOST_RAW:
        raise UserError(
            f"data {name!r}: raw inputs have whole numbers beyond {_MOST_RAW:,}, which float32 cannot hold:"
            " subtract an offset, or let them be normalised (kinds='numbers')"
        )
    return inputs.astype(np.float32)


def as_ids(name: str, x: Any) -> Array:
    """Return ids, such as tokens or users, as int64, shape (samples,) or (samples, length, …).

    Raises:
        UserError: If they are not whole numbers of one shape, from 0 on, or there is no sample.
    """
    try:
        ids = as_numbers(x)
    except (TypeError, ValueError) as error:
        raise UserError(f"data {name!r}: ids must be whole numbers of one shape: {error}") from None
    if ids.ndim < 1 or ids.size == 0:
        raise UserError(f"data {name!r}: ids of shape {ids.shape}; give (samples,) or (samples, length)")
    if ids.dtype.kind == "f" and not (np.isfinite(ids).all() and (ids == np.round(ids)).all()):
        raise UserError(f"data {name!r}: ids must be whole numbers: number what they are from 0 on")
    if ids.min() < 0:
        raise UserError(f"data {name!r}: an id is {int(ids.min())}; number what they are from 0 on")
    if ids.max() >= _MOST_ID:
        raise UserError(f"data {name!r}: an id is {int(ids.max())}; number what they are from 0 on")
    return ids.astype(np.int64)


def as_targets(name: str, y: Any, count: int, kind: Kind) -> Array:
    """Return targets: int64 classes, one for each sample or position, or float32 values; shape (count, …).

    Raises:
        UserError: If they are not one for each of ``count`` samples, or not of ``kind``.
    """
    if kind not in get_args(Kind):
        raise UserError(
            f"data {name!r}: targets={kind!r} must be 'classes', 'values', 'points', 'boxes' or 'auto'"
        )
    try:
        targets = as_array(y)
    except (TypeError, ValueError) as error:
        raise UserError(f"data {name!r}: the targets must be of one shape: {error}") from None
    if kind == "auto":
        kind = "values" if np.issubdtype(targets.dtype, np.floating) else "classes"
    return _as_classes(name, targets, count) if kind == "classes" else _as_values(name, targets, count)


def _as_classes(name: str, labels: Array, count: int) -> Array:
    """Return labels as classes: whole numbers unchanged, texts numbered in alphabetical order.

    Of several for a sample, such as a class for each pixel, negative ones are of positions that do not count.
    """
    if labels.ndim > 1 and len(labels) == count and labels.size and labels.dtype.kind in "iub":
        if labels.max() < 0:
            raise UserError(
                f"data {name!r}: every class is negative, which is for positions that do not count; give"
                " classes from 0 on"
            )
        return labels.astype(np.int64)
    if labels.shape != (count,):
        raise UserError(
            f"data {name!r}: labels of shape {labels.shape} do not fit {count} inputs: give one each"
        )
    return checked_labels(name, numbered(name, labels, class_names(labels)))


def classes_in(targets: Array) -> Array | None:
    """Return ``targets``, as of :func:`as_targets`, if they are one class for each sample; else ``None``."""
    return targets if targets.dtype == np.int64 and targets.ndim == 1 else None


def _as_values(name: str, targets: Array, count: int) -> Array:
    try:
        values = targets.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(f"data {name!r}: targets that are values must be numbers: {error}") from None
    if values.ndim < 1 or len(values) != count or values.size == 0:
        raise UserError(
            f"data {name!r}: targets of shape {values.shape} do not fit {count} inputs:"
            " give (samples,) or (samples, values)"
        )
    refuse_gaps(name, values, "target {}".format)
    return values
