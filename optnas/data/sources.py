"""Where data comes from."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from optnas.data.data import Data, Split, Splits
from optnas.data.labels import checked_labels
from optnas.data.normalize import normalized
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
    mean 0 and variance 1 by the training part's figures. Small whole numbers, such as images of bytes,
    are kept as they are and brought to that on the device, as they are needed.

    Args:
        x: Inputs, shape (samples, …), numbers; images are (samples, channels, height, width).
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
    indices = three_parts(name, len(labels), validation, test, seed, labels)
    stored, prepare = normalized(inputs, indices[0])
    train, valid, tested = (Split(stored[part], torch.from_numpy(labels[part])) for part in indices)
    return Splits(train, valid, tested, int(labels.max()) + 1, prepare)


def _checked(name: str, x: Any, y: Any) -> tuple[Any, Any]:
    """Return inputs and labels as arrays that fit together."""
    try:
        inputs = np.asarray(x)
        if not np.issubdtype(inputs.dtype, np.integer):
            inputs = inputs.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"data {name!r}: the inputs must be numbers of one shape: {error}") from None
    if inputs.ndim < 2 or len(inputs) == 0:
        raise UserError(f"data {name!r}: inputs of shape {inputs.shape}; give (samples, …)")
    labels = np.asarray(y)
    if labels.shape != (len(inputs),):
        raise UserError(
            f"data {name!r}: labels of shape {labels.shape} do not fit {len(inputs)} inputs: give one each"
        )
    if not np.isfinite(inputs).all():
        bad = int(np.argmin(np.isfinite(inputs).reshape(len(inputs), -1).all(axis=1)))
        raise UserError(f"data {name!r}: sample {bad} holds a value that is not a finite number")
    return inputs, checked_labels(name, labels)
