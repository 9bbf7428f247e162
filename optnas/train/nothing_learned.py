"""Early stopping of trainings that learn nothing, without comparison with other trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optnas.train.task import Task

__all__ = ["Hopeless", "check_hope"]

# The loss does not move if it stays within the first share of its value in epoch 1. If it fell by more
# than the second share, the network is learning, even if its metrics are still at chance.
_UNMOVED, _FALLING = 1e-3, 0.1


class Hopeless(ArithmeticError):
    """Error raised when a training has learned nothing; the message says why."""


def check_hope(task: Task, losses: Sequence[float], metrics: Mapping[str, float]) -> None:
    """Raise if the training has learned nothing so far.

    Args:
        task: The task, which says whether metrics are at chance.
        losses: The mean loss of each epoch, on the training part.
        metrics: The current metrics on the validation part.

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
