"""Trainings that will come to nothing, whatever the others do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optnas.train.task import Task

__all__ = ["Hopeless", "check_hope"]

# A loss that stays within this share of the first epoch's does not move; one that fell by more than the
# second is still on its way, even if the metrics are at chance yet.
_UNMOVED, _FALLING = 1e-3, 0.1


class Hopeless(ArithmeticError):
    """A training is not worth going on with; the message says why."""


def check_hope(task: Task, losses: Sequence[float], metrics: Mapping[str, float]) -> None:
    """Raise if nothing has been learned so far.

    Args:
        task: Says what chance would reach.
        losses: The mean loss of each epoch, on the training part.
        metrics: Of the validation part now.

    Raises:
        Hopeless: If the metrics are at chance and the loss hardly falls, or the loss does not move.
    """
    first, last = losses[0], losses[-1]
    fallen = (first - last) / abs(first) if first else 0.0
    if len(losses) > 1 and max(losses) - min(losses) < _UNMOVED * abs(first):
        raise Hopeless(f"the loss does not move: {first:.4g} in epoch 1, {last:.4g} in epoch {len(losses)}")
    at_chance = task.at_chance(metrics)
    if at_chance is not None and fallen < _FALLING:
        raise Hopeless(f"{at_chance} after {len(losses)} epochs, and the loss hardly falls")
