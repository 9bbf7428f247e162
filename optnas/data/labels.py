"""Checks of class labels before training."""

from __future__ import annotations

from typing import Any

import numpy as np

from optnas.data.numbers import as_array
from optnas.errors import UserError

__all__ = ["checked_labels", "class_names", "labels_in_range", "labels_of", "numbered"]

Labels = np.ndarray[Any, Any]


def labels_of(name: str, y: Any) -> Labels:
    """Return labels as an array of what they are.

    Raises:
        UserError: If some are texts and some are not, or they are masked or not of one shape.
    """
    try:
        return as_array(y)
    except (TypeError, ValueError) as error:
        raise UserError(f"data {name!r}: labels must be whole numbers, texts or booleans: {error}") from None


def class_names(labels: Labels) -> Labels | None:
    """Return the names of classes, sorted, if labels are texts or booleans; ``None`` if they are numbers."""
    texts = labels.ndim == 1 and labels.dtype.kind in "UO" and all(isinstance(label, str) for label in labels)
    return np.unique(labels) if texts or labels.dtype.kind == "b" else None


def numbered(name: str, labels: Labels, names: Labels | None) -> Labels:
    """Return the place of each label among the ``names`` of classes; without names the labels unchanged.

    Raises:
        UserError: If a label is none of the names.
    """
    if names is None:
        return labels
    places = {given: place for place, given in enumerate(names.tolist())}
    for sample, label in enumerate(labels.tolist()):
        if label not in places:
            raise UserError(
                f"data {name!r}: the test part's sample {sample} has the label {label!r}, which no sample for"
                " training has"
            )
    return np.array([places[label] for label in labels.tolist()])


def labels_in_range(name: str, y: Any, classes: int | None = None) -> Labels:
    """Return labels as an int64 array, shape (samples,); raise unless they are 0 to ``classes`` - 1.

    Args:
        name: Name of the data, for error messages.
        y: The class of each sample, shape (samples,).
        classes: Number of classes, if known.

    Raises:
        UserError: If a label is no whole number or out of range, or there are no samples.
    """
    labels = np.asarray(y)
    if labels.ndim != 1 or labels.dtype.kind not in "iuf":
        raise UserError(
            f"data {name!r}: labels must be whole numbers from 0 on, one for each sample,"
            f" not {labels.dtype} of shape {labels.shape}"
        )
    whole = (labels == np.floor(labels)) & (np.abs(labels) < 2**53)
    if not whole.all():
        sample = int(whole.argmin())
        raise UserError(
            f"data {name!r}: labels must be whole numbers from 0 on, and sample {sample} has"
            f" {labels[sample]}; values are for data.tensors and tasks.regression"
        )
    labels = labels.astype(np.int64)
    if not len(labels):
        raise UserError(f"data {name!r}: there are no samples")
    if labels.min() < 0:
        raise UserError(f"data {name!r}: the label {labels.min()} is negative; count classes from 0")
    if classes is not None and labels.max() >= classes:
        raise UserError(
            f"data {name!r}: sample {labels.argmax()} has the label {labels.max()},"
            f" but the {classes} classes are 0 to {classes - 1}"
        )
    return labels


def checked_labels(name: str, y: Any, classes: int | None = None) -> Labels:
    """Return labels as :func:`labels_in_range` does; raise unless every class has a sample.

    Raises:
        UserError: As by :func:`labels_in_range`, and if a class has no sample, or there is only one class.
    """
    labels = labels_in_range(name, y, classes)
    present = np.unique(labels)
    # If class numbers are skipped, one of the skipped ones is below the number of classes present.
    missing = np.setdiff1d(np.arange(len(present) if classes is None else classes), present)
    if len(missing):
        most = f"labels go up to {present[-1]}" if classes is None else f"there are {classes} classes"
        raise UserError(
            f"data {name!r}: {most}, but no sample is of class {missing[0]};"
            " count classes from 0 without a gap"
        )
    if len(present) < 2:
        raise UserError(f"data {name!r}: every sample is of class {present[0]}; there is nothing to learn")
    return labels
