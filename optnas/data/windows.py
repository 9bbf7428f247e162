"""Windows of a long series, for forecasting, in parts that share no step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from optnas.data.data import Data, Splits
from optnas.data.normalize import Normalized, normalized
from optnas.data.numbers import Array, as_numbers, is_whole, refuse_far, refuse_unfit
from optnas.data.origin import Origin
from optnas.data.schemas import Arrays, Series
from optnas.data.split import check_shares, splits_of
from optnas.errors import UserError

__all__ = ["Windows", "windows"]


@dataclasses.dataclass(frozen=True, eq=False)
class _Cut:
    """A series and its windows.

    Attributes:
        steps: The series, float64, shape (steps, features).
        begins: The first step of each window, of the training, validation and test part.
        train: The number of steps, from the first one on, that are for training.
        names: The names of the features.
    """

    steps: Array
    begins: tuple[Array, Array, Array]
    train: int
    names: tuple[str, ...]


class Windows(Data):
    """Data set of :func:`windows`, which also tells what a forecast is compared with.

    Attributes:
        length: Steps of a window.
        horizon: Steps after it that are its target.
    """

    def __init__(
        self, name: str, length: int, horizon: int, target: int | None, cut: Callable[[], _Cut]
    ) -> None:
        super().__init__(name, self._splits)
        self.length, self.horizon = length, horizon
        self._target, self._cut_series = target, cut

    @cached_property
    def _cut(self) -> _Cut:
        return self._cut_series()

    def _splits(self) -> Splits:
        begins = self._cut.begins
        at = np.concatenate(begins)[:, None]
        x = self._cut.steps[at + np.arange(self.length)]
        y = self._of_targets(at + self.length + np.arange(self.horizon))
        cuts = np.cumsum([len(part) for part in begins])
        parts = np.split(np.arange(cuts[-1]), cuts[:-1])
        stored, prepare = normalized(x, parts[0])
        if stored.is_floating_point():
            refuse_far(self.name, stored, "window {}".format)
        found = splits_of(stored, y.astype(np.float32), (parts[0], parts[1], parts[2]), prepare)
        figures = prepare.by if isinstance(prepare, Normalized) else None
        return dataclasses.replace(
            found,
            schema=Series(Arrays(found.train.shape, "float32", figures)),
            origin=Origin(split="in order of time: the last windows are the test part", test="time"),
        )

    @property
    def forecast_names(self) -> tuple[str, ...]:
        """The names of the features to forecast; an empty one if it is the only one and has none."""
        names = self._cut.names
        return names if self._target is None else (names[self._target],)

    def _of_targets(self, at: Array | slice) -> Array:
        """Return the values to forecast at steps: all features, or the one that is asked for or there is."""
        values = self._cut.steps[at]
        if self._target is not None or values.shape[-1] == 1:
            return values[..., self._target or 0]
        return values

    def learned(self) -> Tensor:
        """Return the training part of what is forecast, in its own unit: (steps,) or (steps, features)."""
        return torch.from_numpy(self._of_targets(slice(0, self._cut.train)))

    def past(self, part: Literal["train", "validation", "test"]) -> Tensor:
        """Return what is forecast, in its own unit, within each window: (samples, length[, features])."""
        begins = self._cut.begins[("train", "validation", "test").index(part)]
        return torch.from_numpy(self._of_targets(begins[:, None] + np.arange(self.length)))


def windows(
    series: Any,
    length: int,
    horizon: int = 1,
    *,
    target: int | None = None,
    stride: int = 1,
    gap: int = 0,
    validation: float = 0.2,
    test: float = 0.2,
    name: str = "windows",
) -> Windows:
    """Make a data set for forecasting: windows of a series, each with the values that follow it.

    The series is cut in three parts in order of time, and each part in windows of its own: no step, of inputs
    or targets, is in two parts. Inputs are normalised by the training part's steps; targets stay as they are.

    Args:
        series: Numbers in order of time, shape (steps,) or (steps, features).
        length: Steps of a window, which a network gets as (length, features).
        horizon: Steps after it that are its target, shape (horizon,), or (horizon, features).
        target: The feature to forecast; by default all, or the only one.
        stride: Steps from the beginning of a window to that of the next.
        gap: Steps to leave out between two parts.
        validation: Share of the steps held out to score candidates.
        test: Share of the steps held out for the winner; may be 0.
        name: Its name in records.

    Raises:
        UserError: At once if a number is out of its range; on first use of the data if the series is none, or
            too short for a window in each part.
    """
    for what, number, least in (
        ("length", length, 1), ("horizon", horizon, 1), ("stride", stride, 1), ("gap", gap, 0),
    ):  # fmt: skip
        if not is_whole(number) or number < least:
            raise UserError(f"data.windows({what}={number!r}): give a whole number of at least {least}")
    if target is not None and not is_whole(target):
        raise UserError(
            f"data.windows(target={target!r}): give the place of a feature, from 0 on, or None for all"
        )
    check_shares(name, validation, test)

    def cut() -> _Cut:
        steps = _steps(name, series)
        if target is not None and not -steps.shape[1] <= target < steps.shape[1]:
            raise UserError(f"data {name!r}: target={target} is none of {steps.shape[1]} features")
        begins, ends = _begins(name, len(steps), length + horizon, stride, gap, validation, test)
        return _Cut(steps, (begins[0], begins[1], begins[2]), ends[0], _names(series, steps.shape[1]))

    return Windows(name, length, horizon, target, cut)


def _names(series: Any, features: int) -> tuple[str, ...]:
    """Return the names of a series' features: of columns, or else their places."""
    named = getattr(series, "columns", None)
    if named is None:
        named = [getattr(series, "name", None) or ""] if features == 1 else range(features)
    return tuple(map(str, named))


def _steps(name: str, series: Any) -> Array:
    try:
        steps = as_numbers(series)
    except (TypeError, ValueError) as error:
        raise UserError(f"data {name!r}: a series must be numbers of one shape: {error}") from None
    if steps.ndim not in (1, 2) or steps.size == 0:
        raise UserError(f"data {name!r}: a series of shape {steps.shape}; give (steps,) or (steps, features)")
    steps = steps.reshape(len(steps), -1)
    refuse_unfit(name, steps, "step {}".format)
    return steps.astype(np.float64)


def _begins(
    name: str, steps: int, whole: int, stride: int, gap: int, validation: float, test: float
) -> tuple[list[Array], list[int]]:
    """Return the first step of each window of the three parts, and where these end.

    ``whole`` is the length of a window with its target.
    """
    tested, validated = round(test * steps), round(validation * steps)
    ends = [steps - tested - validated, steps - tested, steps]
    starts = [0, ends[0] + gap, ends[1] + gap]
    begins = [
        np.asarray(range(start, end - whole + 1, stride), np.int64)
        for start, end in zip(starts, ends, strict=True)
    ]
    if not len(begins[0]) or not len(begins[1]) or (tested and not len(begins[2])):
        raise UserError(
            f"data {name!r}: {steps} steps, gaps of {gap} left out, leave a part without a window of {whole}"
            " steps: give a longer series, larger parts, or a shorter window"
        )
    return begins, ends
