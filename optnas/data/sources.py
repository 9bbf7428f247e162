"""Where data comes from."""

from __future__ import annotations

from typing import Any

from optnas.data.arrays import Kind, as_inputs, as_targets, classes_in
from optnas.data.data import Data, Splits
from optnas.data.normalize import normalized
from optnas.data.split import splits_of, three_parts

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
        return _standardised("digits", images.reshape(-1, 1, 8, 8), labels, validation, test, seed, "classes")

    return Data("digits", load)


def tensors(
    x: Any,
    y: Any,
    *,
    targets: Kind = "auto",
    validation: float = 0.2,
    test: float = 0.2,
    seed: int = 0,
    name: str = "tensors",
) -> Data:
    """Make a data set of arrays or tensors.

    Its channels (of images) or features are brought to mean 0 and variance 1 by the training part's
    figures; small whole numbers, such as images of bytes, are kept as they are and brought to that on
    the device, as they are needed. Where targets are classes, every part has them in their shares of
    the whole.

    Args:
        x: Inputs, shape (samples, …), numbers; images are (samples, channels, height, width).
        y: The class of each sample, shape (samples,), whole numbers from 0 on or texts; or its value
            or values, shape (samples,) or (samples, values), for regression.
        targets: ``"classes"`` or ``"values"``; ``"auto"`` takes floating-point numbers for values.
        validation: Share of the samples held out to score candidates.
        test: Share of the samples held out for the winner.
        seed: Of the split.
        name: What it is called in records.

    Raises:
        UserError: When the data is first looked at, if inputs and targets do not fit together.
    """
    return Data(name, lambda: _standardised(name, x, y, validation, test, seed, targets))


def _standardised(name: str, x: Any, y: Any, validation: float, test: float, seed: int, kind: Kind) -> Splits:
    inputs = as_inputs(name, x)
    targets = as_targets(name, y, len(inputs), kind)
    parts = three_parts(name, len(inputs), validation, test, seed, classes_in(targets))
    stored, prepare = normalized(inputs, parts[0])
    return splits_of(stored, targets, parts, prepare)
