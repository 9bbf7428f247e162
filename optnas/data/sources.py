"""Where data comes from."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from optnas.data.data import Data, Split, Splits
from optnas.data.split import three_parts
from optnas.errors import UserError

__all__ = ["digits", "tensors"]


def digits(*, validation: float = 0.2, test: float = 0.2, seed: int = 0) -> Data:
    """1,797 grey 8×8 images of handwritten digits, which come with scikit-learn. Shape (1, 8, 8).

    Args:
        validation: Share of the samples held out to score candidates.
        test: Share of the samples held out for the winner.
        seed: Of the split.
    """

    def load() -> Splits:
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        return _split("digits", images.reshape(-1, 1, 8, 8), labels, validation, test, seed)

    return Data("digits", load)


def tensors(
    x: Any, y: Any, *, validation: float = 0.2, test: float = 0.2, seed: int = 0, name: str = "tensors"
) -> Data:
    """Make a data set for classification of arrays or tensors.

    It is split with the classes' shares kept, and its channels (of images) or features are brought to
    mean 0 and variance 1 by the training part's figures.

    Args:
        x: Inputs, shape (samples, …), numbers.
        y: The class of each sample, shape (samples,): whole numbers from 0 on.
        validation: Share of the samples held out to score candidates.
        test: Share of the samples held out for the winner.
        seed: Of the split.
        name: What it is called in records.

    Raises:
        UserError: When the data is first looked at, if inputs and labels do not fit together.
    """
    return Data(name, lambda: _split(name, x, y, validation, test, seed))


def _split(name: str, x: Any, y: Any, validation: float, test: float, seed: int) -> Splits:
    inputs, labels = _checked(name, x, y)
    rest, valid, tested = three_parts(name, len(labels), validation, test, seed, labels)
    # Over samples and positions: one mean and deviation for each channel or feature.
    axes = (0, *range(2, inputs.ndim))
    mean = inputs[rest].mean(axis=axes, keepdims=True)
    deviation = inputs[rest].std(axis=axes, keepdims=True)
    inputs = (inputs - mean) / np.where(deviation > 0, deviation, 1)

    def part(indices: np.ndarray[Any, Any]) -> Split:
        return Split(
            torch.from_numpy(inputs[indices]).float().contiguous(), torch.from_numpy(labels[indices]).long()
        )

    return Splits(part(rest), part(valid), part(tested), int(labels.max()) + 1)


def _checked(name: str, x: Any, y: Any) -> tuple[Any, Any]:
    """Return inputs and labels as arrays that fit together."""
    try:
        inputs, labels = np.asarray(x, dtype=np.float64), np.asarray(y)
    except (TypeError, ValueError) as error:
        raise UserError(f"data {name!r}: the inputs must be numbers of one shape: {error}") from None
    if inputs.ndim < 2 or len(inputs) == 0:
        raise UserError(f"data {name!r}: inputs of shape {inputs.shape}; give (samples, …)")
    if labels.shape != (len(inputs),):
        raise UserError(
            f"data {name!r}: labels of shape {labels.shape} do not fit {len(inputs)} inputs: give one each"
        )
    if not np.isfinite(inputs).all():
        bad = int(np.argmin(np.isfinite(inputs).reshape(len(inputs), -1).all(axis=1)))
        raise UserError(f"data {name!r}: sample {bad} holds a value that is not a finite number")
    if not np.issubdtype(labels.dtype, np.integer) and not np.array_equal(labels, labels.astype(int)):
        raise UserError(f"data {name!r}: labels must be whole numbers from 0 on, not {labels.dtype}")
    labels = labels.astype(np.int64)
    present = np.unique(labels)
    if present[0] < 0:
        raise UserError(f"data {name!r}: the label {present[0]} is negative; count classes from 0")
    missing = np.setdiff1d(np.arange(present[-1] + 1), present)
    if len(missing):
        raise UserError(
            f"data {name!r}: labels go up to {present[-1]}, but no sample is of class {missing[0]};"
            " count classes from 0 without a gap"
        )
    if len(present) < 2:
        raise UserError(f"data {name!r}: every sample is of class {present[0]}; there is nothing to learn")
    return inputs, labels
