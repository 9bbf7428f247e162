"""Confidence intervals of test metrics, by resampling the test part's samples."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import torch
from torch import Tensor

from optnas.data.trees import Tree, mapped, samples_in
from optnas.tasks import Task

__all__ = ["has_intervals", "intervals"]

# Percentiles at 2.5 % and 97.5 % hardly move beyond so many, and below so few they are rough.
_ROUNDS, _LEAST = 500, 100
_SECONDS = 5.0
_LEVEL = 0.95


def has_intervals(task: Task) -> bool:
    """Return whether the metrics of a task are measured from outputs alone.

    Those of one that measures by :meth:`~optnas.tasks.Task.evaluate` have no interval, as that may take long.
    """
    return type(task).evaluate is Task.evaluate


def intervals(task: Task, outputs: Tree, targets: Tree, *, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Return a 95 % confidence interval of each metric over a part of the data, by name.

    The percentile bootstrap (Efron 1979): the metric of as many samples, drawn with replacement, 500 times,
    or as often as 5 seconds allow. It tells how much the choice of the samples matters, not that of the seed.

    Args:
        task: The task, which :func:`has_intervals`.
        outputs: The network's outputs (samples, …); less than two have no interval.
        targets: The targets (samples, …), on the same device.
        seed: Seed of the draws.
    """
    if (count := samples_in(targets)) < 2:
        return {}
    with torch.inference_mode():
        return _bootstrap(task, outputs, targets, count, seed)


def _bootstrap(
    task: Task, outputs: Tree, targets: Tree, count: int, seed: int
) -> dict[str, tuple[float, float]]:
    generator = torch.Generator().manual_seed(seed)
    began, found = time.perf_counter(), list[Mapping[str, float]]()
    for done in range(_ROUNDS):
        if done >= _LEAST and time.perf_counter() - began > _SECONDS:
            break
        drawn = torch.randint(count, (count,), generator=generator)

        def sample(each: Tensor, drawn: Tensor = drawn) -> Tensor:
            return each[drawn.to(each.device)]

        found.append(task.measure(mapped(sample, outputs), mapped(sample, targets)))
    return {name: _middle([float(each[name]) for each in found]) for name in found[0]}


def _middle(values: list[float]) -> tuple[float, float]:
    known = torch.tensor([value for value in values if math.isfinite(value)], dtype=torch.float64)
    if len(known) < len(values):
        return (math.nan, math.nan)
    low, high = known.quantile(
        torch.tensor([(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], dtype=torch.float64)
    ).tolist()
    return low, high
