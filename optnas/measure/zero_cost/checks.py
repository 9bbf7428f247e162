"""Check that a study's zero-cost scores can be made of its task."""

from __future__ import annotations

from collections.abc import Collection

from optnas.errors import UserError
from optnas.measure.zero_cost.scores import METRICS, OF_LOSS
from optnas.tasks import Task

__all__ = ["check_scored"]


def check_scored(study: str, task: Task, names: Collection[str]) -> None:
    """Raise ``UserError`` if one of ``names`` is made of a loss, and the task does not learn its data by one.

    Args:
        study: The study's name, for the message.
        task: The task.
        names: The metrics that are measured before training.
    """
    wrong = [name for name in METRICS if name in names and name in OF_LOSS]
    kind = type(task)
    own = kind.loss is Task.loss or kind.own_step is not Task.own_step or task.batches_per_epoch is not None
    if wrong and own:
        others = ", ".join(name for name in METRICS if name not in OF_LOSS)
        raise UserError(
            f"study {study!r}: {wrong[0]} is made of the loss of a batch of the data, and {kind.__name__}"
            f" learns otherwise: take one without a loss ({others})"
        )
