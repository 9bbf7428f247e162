"""Split of samples into training, validation and test part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from optnas.data.data import Split, Splits, as_stored
from optnas.data.trees import Tree, mapped
from optnas.errors import UserError

__all__ = ["check_shares", "splits_of", "subset", "three_parts"]

Indices = np.ndarray[Any, Any]


def three_parts(
    name: str, count: int, validation: float, test: float, seed: int, labels: Indices | None = None
) -> tuple[Indices, Indices, Indices]:
    """Split samples at random and return the indices of the training, validation and test part.

    Args:
        name: Name of the data, for error messages.
        count: Number of samples.
        validation: Share of the samples held out to score candidates.
        test: Share of the samples held out for the winner; may be 0.
        seed: Seed of the split.
        labels: The class of each sample, shape (count,), for a split stratified by class.

    Raises:
        UserError: If there are too few samples, or too few of a class, for three parts.
    """
    check_shares(name, validation, test)
    from sklearn.model_selection import train_test_split

    try:
        train, held_out = train_test_split(
            np.arange(count), test_size=validation + test, stratify=labels, random_state=seed
        )
        if test == 0:
            return train, held_out, held_out[:0]
        valid, tested = train_test_split(
            held_out,
            test_size=test / (validation + test),
            stratify=None if labels is None else labels[held_out],
            random_state=seed,
        )
    except ValueError as error:
        if labels is None:
            raise UserError(f"data {name!r} cannot be split in three parts: {error}") from None
        raise UserError(f"data {name!r} cannot be split in three parts: {_too_few(labels)}") from None
    return train, valid, tested


def check_shares(name: str, validation: float, test: float) -> None:
    """Raise ``UserError`` unless some samples are for validation and some are left to train on."""
    if not (0 < validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise UserError(f"data {name!r}: validation={validation} and test={test} must leave some to train on")


def _too_few(labels: Indices) -> str:
    """Return what keeps every class from being in each of three parts, and what to do."""
    _, counts = np.unique(labels, return_counts=True)
    rare = f"{(counts == counts.min()).sum()} of {len(counts)} classes have {counts.min()}"
    return (
        f"each is to have every class, and {rare} of the {counts.sum()} samples; leave such classes out or"
        " join them, or learn values with tasks.regression if they are amounts"
    )


def subset(name: str, labels: Indices, samples: int | None, seed: int) -> Indices:
    """Return sorted indices of ``samples`` samples, stratified by class; of all samples if ``None``.

    Raises:
        UserError: If there are fewer samples, or too few are asked for to have every class.
    """
    if samples is None or samples == len(labels):
        return np.arange(len(labels))
    classes = len(np.unique(labels))
    if not classes <= samples <= len(labels):
        raise UserError(f"data {name!r}: samples={samples} must be from {classes} to {len(labels)}")
    from sklearn.model_selection import train_test_split

    try:
        chosen, _ = train_test_split(
            np.arange(len(labels)), train_size=samples, stratify=labels, random_state=seed
        )
    except ValueError as error:
        raise UserError(f"data {name!r}: samples={samples}: {error}") from None
    return np.sort(chosen)


def splits_of(
    inputs: Tree,
    targets: Tree,
    parts: tuple[Indices, Indices, Indices],
    prepare: Callable[[Tree], Tree] = as_stored,
) -> Splits:
    """Return the three parts, each with the inputs and targets at its indices.

    Args:
        inputs: Stored inputs, tensors of shape (samples, …).
        targets: Arrays: classes of int64, shape (samples,) or one for each position, (samples, …); or values
            of float32, (samples, …).
        parts: Indices of each part, as :func:`three_parts` returns them.
        prepare: Function from stored inputs to inputs of a network.
    """
    train, validation, test = (
        Split(
            mapped(lambda x: x[part], inputs),  # noqa: B023 - used at once
            mapped(lambda y: torch.from_numpy(y[part]), targets),  # noqa: B023
        )
        for part in parts
    )
    return Splits(train, validation, test, mapped(_outputs, targets), prepare)


def _outputs(targets: np.ndarray[Any, Any]) -> int:
    """Return the number of classes, or of values on the last axis."""
    if targets.dtype == np.int64:
        return int(targets.max()) + 1
    return 1 if targets.ndim == 1 else int(targets.shape[-1])
