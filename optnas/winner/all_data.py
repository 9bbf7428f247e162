"""Training once more on the training and the validation part together, for as long as validation chose."""

from __future__ import annotations

import copy
import dataclasses
from functools import cached_property, lru_cache

from optnas.data import Data
from optnas.data.joined import with_validation
from optnas.errors import UserError
from optnas.tasks import Task
from optnas.winner.full_training import Plan, TrainingHistory

__all__ = ["check_all_data", "refit_plan", "with_all_data"]


def check_all_data(task: Task) -> None:
    """Raise ``UserError`` if ``task`` does not learn from samples that could be more."""
    if task.batches_per_epoch is not None:
        name = type(task).__name__
        raise UserError(f"--all-data: {name} makes what it learns from itself; there is no more data")
    _joined(task.data).splits  # noqa: B018 - loading is what checks it


def with_all_data(task: Task) -> Task:
    """Return ``task`` with the validation part among what it trains on."""
    other = copy.copy(task)
    # What it has computed of its data is of the other data.
    for name in list(vars(other)):
        if isinstance(getattr(type(task), name, None), cached_property):
            del vars(other)[name]
    object.__setattr__(other, "data", _joined(task.data))  # tasks may be frozen
    return other


def refit_plan(plan: Plan, task: Task, history: TrainingHistory) -> Plan:
    """Return the plan of a training on all data, which ends where the best epoch of ``history`` was.

    The learning rate goes the same way until then. There is no validation any more, so that nothing else is
    chosen.

    Args:
        plan: The plan of the training that chose.
        task: Its task with all data, from :func:`with_all_data`.
        history: The training that chose.
    """
    return dataclasses.replace(plan, task=task, patience=None, until=history.best)


@lru_cache(maxsize=1)
def _joined(data: Data) -> Data:
    """Return ``data`` with a training part of both, which is a copy: one for all seeds and networks."""
    return with_validation(data)
