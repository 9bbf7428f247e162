"""Data sets from arrays or tensors, and scikit-learn's handwritten digits."""

from __future__ import annotations

from functools import partial
from typing import Any

from optnas.data.arrays import Kind, as_inputs, as_targets, classes_in
from optnas.data.data import Data, Splits
from optnas.data.layout import Layout, network_axes
from optnas.data.normalize import normalized
from optnas.data.numbers import refuse_far
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
        x = images.reshape(-1, 1, 8, 8)
        return _standardised("digits", x, labels, "classes", "auto", validation, test, seed)

    return Data("digits", load)


def tensors(
    x: Any,
    y: Any,
    *,
    targets: Kind = "auto",
    layout: Layout = "auto",
    validation: float = 0.2,
    test: float = 0.2,
    seed: int = 0,
    name: str = "tensors",
) -> Data:
    """Make a data set from arrays or tensors.

    Its channels (of images) or features (of tables and sequences) are normalised to mean 0 and variance
    1 by the statistics of the training part. Small whole numbers, such as images of bytes, are stored
    unchanged and normalised on the device when they are needed. If targets are classes, the split is
    stratified.

    Args:
        x: Inputs, numbers, shape (samples, features); for sequences (samples, length, features) or
            (samples, features, length); for images (samples, channels, height, width) or (samples,
            height, width, channels).
        y: The class of each sample, shape (samples,), whole numbers from 0 on or texts; or its value
            or values, shape (samples,) or (samples, values), for regression.
        targets: ``"classes"`` or ``"values"``; ``"auto"`` is as the task needs.
        layout: ``"channels_last"`` or ``"channels_first"``: whether ``x`` has its channels or features
            last, or right behind the samples. Networks get sequences as (length, features) and images
            as (channels, height, width) either way. ``"auto"`` goes by the shape where that shows it:
            an axis of size 1, or a last axis of 3 or 4 colours.
        validation: Share of the samples held out to score candidates.
        test: Share of the samples held out for the winner.
        seed: Seed of the split.
        name: Its name in records.

    Raises:
        UserError: On first use of the data, if inputs and targets do not fit together, or the layout
            has to be given.
    """

    def load(kind: Kind) -> Splits:
        return _standardised(name, x, y, kind, layout, validation, test, seed)

    return Data(name, partial(load, targets), load_as=load if targets == "auto" else None)


def _standardised(
    name: str, x: Any, y: Any, kind: Kind, layout: Layout, validation: float, test: float, seed: int
) -> Splits:
    inputs = as_inputs(name, x)
    axes = network_axes(name, inputs.shape, layout)
    targets = as_targets(name, y, len(inputs), kind)
    parts = three_parts(name, len(inputs), validation, test, seed, classes_in(targets))
    stored, prepare = normalized(inputs, parts[0], axes)
    if stored.is_floating_point():
        refuse_far(name, stored, "sample {}".format)
    return splits_of(stored, targets, parts, prepare)
