"""Which samples are for training, validation and test: at random, by time, by group, or as given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from optnas.data.numbers import Array, as_array
from optnas.data.split import Indices, check_shares, three_parts
from optnas.errors import UserError

__all__ = ["SplitRule", "at_random", "by_group", "by_index", "by_time"]

SplitRule = Callable[[str, int, float, float, int, Array | None], tuple[Indices, Indices, Indices]]
"""Returns the indices of three parts: takes the data's name, the number of samples, the shares of validation
and test, a seed, and the class of each sample, shape (samples,), or ``None``."""


def at_random() -> SplitRule:
    """Split at random, with the same shares of each class in all parts."""
    return three_parts


def by_time(*, gap: int = 0) -> SplitRule:
    """Split samples that are in order of time: the first train, the next validate, the last test.

    Args:
        gap: Samples to leave out between two parts, so that none of one overlaps one of the other: of windows
            of ``length`` steps that begin at every step, ``length - 1`` at least.

    Raises:
        UserError: If ``gap`` is no number of samples; when it is used, if too few samples are left.
    """
    if not isinstance(gap, int) or isinstance(gap, bool) or gap < 0:
        raise UserError(f"by_time(gap={gap!r}): give a number of samples, or 0")

    def rule(
        name: str, count: int, validation: float, test: float, seed: int, labels: Array | None
    ) -> tuple[Indices, Indices, Indices]:
        check_shares(name, validation, test)
        tested = round(test * count)
        validated = max(1, round(validation * count))
        second = count - tested - (gap if tested else 0)
        first = second - validated - gap
        if first < 1:
            raise UserError(
                f"data {name!r}: {count} samples with gaps of {gap} leave none to train on: give more, or a"
                " smaller gap"
            )
        order = np.arange(count)
        return order[:first], order[first + gap : second], order[count - tested :]

    return rule


def by_group(groups: Any) -> SplitRule:
    """Split whole groups at random, so that no group is in two parts: a patient, a speaker, a machine.

    The shares are of groups, not of samples.

    Args:
        groups: The group of each sample, numbers or texts, shape (samples,).

    Raises:
        UserError: When it is used, if they are not one for each sample, or too few groups.
    """

    def rule(
        name: str, count: int, validation: float, test: float, seed: int, labels: Array | None
    ) -> tuple[Indices, Indices, Indices]:
        given = as_array(groups)
        if given.shape != (count,):
            raise UserError(
                f"data {name!r}: groups of shape {given.shape} do not fit {count} samples: give one each"
            )
        names, group = np.unique(given, return_inverse=True)
        parts = three_parts(name, len(names), validation, test, seed)
        train, valid, tested = (np.flatnonzero(np.isin(group, part)) for part in parts)
        return train, valid, tested

    return rule


def by_index(train: Any, validation: Any, test: Any = ()) -> SplitRule:
    """Split as given, by the indices of the samples of each part, or by booleans of all samples.

    Raises:
        UserError: When it is used, if an index is none, or is in two parts, or a part is empty.
    """

    def rule(
        name: str, count: int, shares: float, test_share: float, seed: int, labels: Array | None
    ) -> tuple[Indices, Indices, Indices]:
        parts = tuple(_indices(name, part, count) for part in (train, validation, test))
        together = np.concatenate(parts)
        twice = np.flatnonzero(np.bincount(together, minlength=count) > 1)
        if len(twice):
            raise UserError(f"data {name!r}: sample {twice[0]} is in two parts, or twice in one")
        if not len(parts[0]) or not len(parts[1]):
            raise UserError(f"data {name!r}: give samples to train on, and others for validation")
        return parts  # type: ignore[return-value]

    return rule


def _indices(name: str, given: Any, count: int) -> Indices:
    found = np.asarray(given)
    if found.dtype == bool and found.shape == (count,):
        return np.flatnonzero(found)
    if found.size == 0:
        return np.zeros(0, dtype=np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= count:
        raise UserError(
            f"data {name!r}: give a part's samples as indices from 0 to {count - 1}, or as {count} booleans"
        )
    return found.astype(np.int64)
