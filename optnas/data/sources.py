"""Data sets from arrays or tensors, and scikit-learn's handwritten digits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

from optnas.data.arrays import InputKind, Kind
from optnas.data.data import Data, Splits
from optnas.data.layout import Layout
from optnas.data.several import Inputs, as_arrays, positions_in, targets_of
from optnas.data.split import splits_of
from optnas.data.split_rules import SplitRule, origin_of, split_by

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
        return _splits("digits", x, labels, "classes", "numbers", "auto", None, (validation, test, seed))

    return Data("digits", load)


def tensors(
    x: Any,
    y: Any,
    *,
    targets: Kind | Mapping[str, Kind] = "auto",
    kinds: InputKind | Mapping[str, InputKind] = "numbers",
    layout: Layout | Mapping[str, Layout] = "auto",
    split: SplitRule | None = None,
    validation: float = 0.2,
    test: float = 0.2,
    seed: int = 0,
    name: str = "tensors",
) -> Data:
    """Make a data set from arrays or tensors: one of inputs and one of targets, or several of either.

    Several are a dictionary by name, or a tuple. Networks take each by ``ops.input(name)``, and losses get
    targets as they were given.

    Its channels (of images) or features (of tables and sequences) are normalised to mean 0 and variance
    1 by the statistics of the training part, unless ``kinds`` says that they stay as they are. Small whole
    numbers, such as images of bytes, are stored unchanged and normalised on the device when they are
    needed. If targets are classes, the split is stratified.

    Args:
        x: Inputs, numbers, shape (samples, features); for sequences (samples, length, features) or
            (samples, features, length); for images (samples, channels, height, width) or (samples,
            height, width, channels). Ids are (samples,) or (samples, length).
        y: The class of each sample, shape (samples,), whole numbers from 0 on or texts, or of each of its
            pixels or positions, (samples, …); or its value or values, (samples,) or (samples, …).
        targets: ``"classes"`` or ``"values"``; ``"auto"`` is as the task needs. Values that are positions in
            the images are ``"points"``, shape (samples, 2) for x and y, or of several points in turn
            (samples, 2 × points); or ``"boxes"``, as ``data.padded_boxes`` makes them. Both are in pixels
            from the left upper corner, so that the middle of the first pixel is (0.5, 0.5), and move with the
            images in ``Training(flip=True, crop=4, padding="zero")``; other values stay. Of several, by name.
        kinds: ``"numbers"``, which are normalised; ``"raw"`` for numbers that stay as they are (float32, in
            the order of their axes unless ``layout`` says otherwise), such as an adjacency of 0 and 1 or
            images to be enlarged; or ``"ids"`` for whole numbers that are names, such as tokens, words or
            users, which an embedding takes. Of several inputs, by name.
        layout: ``"channels_last"`` or ``"channels_first"``: whether ``x`` has its channels or features
            last, or right behind the samples. Networks get sequences as (length, features) and images
            as (channels, height, width) either way. ``"auto"`` goes by the shape where that shows it:
            an axis of size 1, or a last axis of 3 or 4 colours.
        split: Which samples are for what, such as ``data.by_time(gap=23)`` or ``data.by_group(patients)``; by
            default at random.
        validation: Share of the samples held out to score candidates.
        test: Share of the samples held out for the winner.
        seed: Seed of the split.
        name: Its name in records.

    Raises:
        UserError: On first use of the data, if inputs and targets do not fit together, or the layout
            has to be given.
    """

    def load(kind: Kind | Mapping[str, Kind]) -> Splits:
        return _splits(name, x, y, kind, kinds, layout, split, (validation, test, seed))

    return Data(name, partial(load, targets), load_as=load if targets == "auto" else None)


def _splits(
    name: str,
    x: Any,
    y: Any,
    kind: Kind | Mapping[str, Kind],
    kinds: InputKind | Mapping[str, InputKind],
    layout: Layout | Mapping[str, Layout],
    rule: SplitRule | None,
    shares: tuple[float, float, int],
) -> Splits:
    x, y = as_arrays(x, y)
    inputs = Inputs(name, x, kinds, layout)
    targets, classes, target = targets_of(name, y, inputs.count, kind)
    parts = split_by(rule, name, inputs.count, *shares, classes)
    stored, prepare, schema = inputs.stored(parts[0])
    split = splits_of(stored, targets, parts, prepare)
    origin = origin_of(rule, *shares, stratified=classes is not None)
    positions = positions_in(name, y, kind)
    return dataclasses.replace(split, kinds=positions, schema=schema, target=target, origin=origin)
