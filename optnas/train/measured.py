"""Measurement of a network by its task: checks that it gives numbers and changes neither network nor data."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from optnas.cost import COSTS
from optnas.data import Part
from optnas.data.trees import leaves
from optnas.errors import UserError
from optnas.objectives import as_numbers
from optnas.train.task import Batches, Task

__all__ = ["measured"]


def measured(task: Task, module: nn.Module, batches: Batches, part: Part) -> dict[str, float]:
    """Return the metrics that ``task`` measures of ``module`` over ``part``, as Python numbers.

    Raises:
        TypeError: If it returns no mapping, or several numbers in one.
        UserError: If it returns what is no number by name, or what is counted exactly, or if it changes the
            network or the data, which other evaluations and the training go by.
    """
    name = type(task).__name__
    before = _versions(module, part)
    metrics = as_numbers(task.evaluate(module, batches))
    if _versions(module, part) != before:
        raise UserError(
            f"{name}.evaluate changes the network, or inputs or targets in place, by which the training goes"
            " on: work on copies, and leave the network in evaluation mode"
        )
    for metric, value in metrics.items():
        if not isinstance(metric, str) or not isinstance(value, int | float):
            raise UserError(
                f"{name} measures {metric!r:.60} as {value!r:.60}; metrics are numbers by name, such as"
                " {'accuracy': 0.9}"
            )
        if metric in COSTS:
            raise UserError(f"{name} measures {metric!r}, which is counted exactly: give it another name")
    return metrics


def _versions(module: nn.Module, part: Part) -> list[int]:
    """Return how often each tensor was written in place; those of a streamed part are made anew each time."""
    return [each._version for each in _tensors(module, part) if not each.is_inference()]


def _tensors(module: nn.Module, part: Part) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()
    yield from leaves(part.y)
    yield from leaves(getattr(part, "x", ()))
