"""Whether a task declares what a study goes by, checked before its data is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from optnas.cost import COSTS
from optnas.data import Data
from optnas.data.numbers import is_whole
from optnas.errors import UserError
from optnas.train.task import Task

__all__ = ["check_declared", "figures"]


def check_declared(task: Any) -> None:
    """Raise unless ``task`` is one, and has its data and the names of its metrics.

    Raises:
        UserError: If not.
    """
    if isinstance(task, type):
        raise UserError(f"task={task.__name__} is a class: give an object of it, {task.__name__}()")
    if not isinstance(task, Task):
        raise UserError(
            f"task={task!r:.60} is no task: give one of optnas.tasks, or a subclass of tasks.Task"
        )
    name, metrics = type(task).__name__, getattr(task, "metrics", None)
    if metrics is None or not _is_texts(metrics):
        raise UserError(
            f"{name}.metrics = {metrics!r:.60}: give the names of all metrics, such as ('accuracy',)"
        )
    for metric in metrics:
        if metric in (*COSTS, "seconds"):
            raise UserError(
                f"{name}.metrics has {metric!r}, which every trial has already: give it another name"
            )
    if not isinstance(data := getattr(task, "data", None), Data):
        raise UserError(
            f"{name}.data = {data!r:.60}: give a data set of optnas.data, such as data.tensors(x, y)"
        )
    batches = task.batches_per_epoch
    if batches is not None and not (is_whole(batches) and batches > 0):
        raise UserError(f"{name}.batches_per_epoch = {batches!r}: give a whole number of at least 1, or None")
    if batches is not None and getattr(task.experience, "__func__", None) is Task.experience:
        raise UserError(f"{name} has batches_per_epoch = {batches}, and no experience() that makes them")


def _is_texts(given: Any) -> bool:
    return (
        isinstance(given, Iterable)
        and not isinstance(given, str)
        and all(isinstance(each, str) for each in given)
    )


def figures(what: str, given: Any) -> dict[str, float]:
    """Return metrics that a task declares, such as those of chance, as numbers by name.

    Args:
        what: What they are, for error messages.
        given: What the task gives.

    Raises:
        UserError: If they are none.
    """
    if not isinstance(given, Mapping):
        raise UserError(f"{what} is {given!r:.60}; give numbers by metric, such as {{'accuracy': 0.1}}")
    found = {}
    for name, value in given.items():
        try:
            found[name] = float(value)
        except (TypeError, ValueError, RuntimeError):
            raise UserError(
                f"{what} has {value!r:.60} for {name!r}; give a number, or leave it out"
            ) from None
    return found
