"""Which samples are for training, validation and test: at random, by time, by group, or as given."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from optnas.data.numbers import Array, as_array, is_whole
from optnas.data.origin import Origin, at_random_told
from optnas.data.split import Indices, check_shares, three_parts
from optnas.errors import UserError

__all__ = ["SplitRule", "at_random", "by_group", "by_index", "by_time", "origin_of", "split_by"]

SplitRule = Callable[[str, int, float, float, int, Array | None], tuple[Indices, Indices, Indices]]
"""Returns the indices of three parts: takes the data's name, the number of samples, the shares of validation
and test, a seed, and the class of each sample, shape (samples,), or ``None``."""


def split_by(
    rule: SplitRule | None,
    name: str,
    count: int,
    validation: float,
    test: float,
    seed: int,
    labels: Array | None = None,
) -> tuple[Indices, Indices, Indices]:
    """Return the indices of three parts by a rule, at random without one; takes what a rule takes.

    Raises:
        UserError: If it is no rule, or does not return three parts that share no sample.
    """
    rule = rule or at_random()
    makers: list[Any] = [at_random, by_time, by_group, by_index]  # which return a rule, and are none
    if not callable(rule) or rule in makers:
        told = f"data.{rule.__name__}" if callable(rule) else repr(rule)
        raise UserError(
            f"data {name!r}: split={told:.60} is no rule: give e.g. data.by_time(gap=…) or"
            " data.by_group(groups)"
        )
    parts = rule(name, count, validation, test, seed, labels)
    if not isinstance(parts, tuple) or len(parts) != 3:
        raise UserError(
            f"data {name!r}: split= returns {parts!r:.60}; give the indices of three parts: train, validation"
            " and test"
        )
    return _parts(name, parts, count)


@dataclasses.dataclass(frozen=True)
class _Rule:
    """A rule that says what it does."""

    rule: SplitRule
    origin: Origin

    def __call__(self, *given: Any) -> tuple[Indices, Indices, Indices]:
        return self.rule(*given)


def origin_of(
    rule: SplitRule | None, validation: float, test: float, seed: int, *, stratified: bool
) -> Origin:
    """Return how a rule, at random without one, splits samples."""
    if rule is None or rule is three_parts:
        return Origin(split=at_random_told(validation, test, seed, stratified=stratified), test="random")
    if not isinstance(rule, _Rule):
        return Origin(split="by a function of the study", test="given")
    if rule.origin.test == "groups":
        told = at_random_told(validation, test, seed, stratified=False)
        return dataclasses.replace(rule.origin, split=f"{rule.origin.split} {told}")
    return rule.origin


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
    if not is_whole(gap) or gap < 0:
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

    told = "in order of time: the last samples are the test part"
    told += f", {gap} samples left out between two parts" if gap else ""
    return _Rule(rule, Origin(split=told, test="time"))


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
        try:
            given = as_array(groups)
        except (TypeError, ValueError) as error:
            raise UserError(f"data {name!r}: groups must be numbers or texts: {error}") from None
        if given.shape != (count,):
            raise UserError(
                f"data {name!r}: groups of shape {given.shape} do not fit {count} samples: give one each"
            )
        missing = [sample for sample, of in enumerate(given.tolist()) if of is None or of != of]
        if missing or (given.dtype.kind in "mM" and np.isnat(given).any()):
            sample = missing[0] if missing else int(np.isnat(given).argmax())
            raise UserError(f"data {name!r}: sample {sample} has no group: give one each, or leave it out")
        try:
            names, group = np.unique(given, return_inverse=True)
        except TypeError:
            raise UserError(f"data {name!r}: groups must be all numbers or all texts") from None
        parts = three_parts(name, len(names), validation, test, seed)
        train, valid, tested = (np.flatnonzero(np.isin(group, part)) for part in parts)
        return train, valid, tested

    return _Rule(rule, Origin(split="whole groups", test="groups"))


def by_index(train: Any, validation: Any, test: Any = ()) -> SplitRule:
    """Split as given, by the indices of the samples of each part, or by booleans of all samples.

    Raises:
        UserError: When it is used, if an index is none, or is in two parts, or a part is empty.
    """

    def rule(
        name: str, count: int, shares: float, test_share: float, seed: int, labels: Array | None
    ) -> tuple[Indices, Indices, Indices]:
        return _parts(name, (train, validation, test), count)

    return _Rule(rule, Origin(split="as the study lists the samples of each part", test="given"))


def _parts(name: str, given: tuple[Any, Any, Any], count: int) -> tuple[Indices, Indices, Indices]:
    """Return the indices of three parts; raise unless they are some, and no sample is in two."""
    train, validation, test = (_indices(name, part, count) for part in given)
    twice = np.flatnonzero(np.bincount(np.concatenate([train, validation, test]), minlength=count) > 1)
    if len(twice):
        raise UserError(f"data {name!r}: sample {twice[0]} is in two parts, or twice in one")
    if not len(train) or not len(validation):
        raise UserError(f"data {name!r}: give samples to train on, and others for validation")
    return train, validation, test


def _indices(name: str, given: Any, count: int) -> Indices:
    try:
        found = np.asarray(given)
    except ValueError:  # not all of one shape
        found = np.asarray(given, dtype=object)
    if found.dtype == bool and found.shape == (count,):
        return np.flatnonzero(found)
    if found.size == 0:
        return np.zeros(0, dtype=np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= count:
        raise UserError(
            f"data {name!r}: give a part's samples as indices from 0 to {count - 1}, or as {count} booleans"
        )
    return found.astype(np.int64)
