"""Data sets from arrays or tensors, and scikit-learn's handwritten digits."""

from __future__ import annotations

from typing import Any

from optnas.data.arrays import Kind, as_inputs, as_targets, classes_in
from optnas.data.data import Data, Splits
from optnas.data.normalize import normalized
from optnas.data.split import splits_of, three_parts

__all__ = ["digits", "tensors"]


def digits(*, validation: float = 0.2, test: float = 0.2, seed: int = 0) -> Data:
    """Return 1,797 grey 8×8 images of handwritten digits from scikit-learn, each of shape (1, 8, 8).

    Args:
        validation: Share of the samples held out to score candidates.
        test: Share of the samples held out for the winner.
        seed: Seed of the split.
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
    """Make a data set from arrays or tensors.

    Its channels (of images) or features are normalised to mean 0 and variance 1 by the statistics of
    the training part. Small whole numbers, such as images of bytes, are stored unchanged and
    normalised on the device when they are needed. If targets are classes, the split is stratified.

    Args:
        x: Inputs, shape (samples, …), numbers; images are (samples, channels, height, width).
        y: The class of each sample, shape (samples,), whole numbers from 0 on or texts; or its value
            or values, shape (samples,) or (samples, values), for regression.
        targets: ``"classes"`` or ``"values"``; ``"auto"`` takes floating-point numbers for values.
        validation: Share of the samples held out to score candidates.
        test: Share of the samples held out for the winner.
        seed: Seed of the split.
        name: Its name in records.

    Raises:
        UserError: On first use of the data, if inputs and targets do not fit together.
    """
    return Data(name, lambda: _standardised(name, x, y, validation, test, seed, targets))


def _standardised(name: str, x: Any, y: Any, validation: float, test: float, seed: int, kind: Kind) -> Splits:
    inputs = as_inputs(name, x)
    targets = as_targets(name, y, len(inputs), kind)
    parts = three_parts(name, len(inputs), validation, test, seed, classes_in(targets))
    stored, prepare = normalized(inputs, parts[0])
    return splits_of(stored, targets, parts, prepare)
