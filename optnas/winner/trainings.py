"""One training of one seed of a network that ``optnas train`` was asked for."""

from __future__ import annotations

import dataclasses

from optnas.winner.all_data import refit_plan, with_all_data
from optnas.winner.folder import checkpoint_of
from optnas.winner.full_training import HistoryCallback, Plan, TrainingHistory, train_seed
from optnas.winner.jobs import Job

__all__ = ["Item", "plan_of", "train_item"]


@dataclasses.dataclass(frozen=True, eq=False)
class Item:
    """One training: by one seed, to choose an epoch or afterwards on all data.

    Attributes:
        job: The network.
        seed: The seed.
        chosen: The training that chose the epoch to stop after; ``None`` for the one that chooses.
    """

    job: Job
    seed: int
    chosen: TrainingHistory | None = None


def plan_of(item: Item) -> Plan:
    """Return the plan of one training."""
    plan = item.job.plan
    if item.chosen is None:
        return plan
    return refit_plan(plan, with_all_data(plan.task), item.chosen)


def train_item(item: Item, plan: Plan, watch: HistoryCallback) -> TrainingHistory:
    """Train, resuming from the checkpoint in the folder if there is one, and return the history.

    Raises:
        UserError: As :func:`~optnas.winner.full_training.train_seed`.
    """
    checkpoint = checkpoint_of(item.job.folder, item.seed, all_data=item.chosen is not None)
    return train_seed(plan, item.seed, checkpoint, watch)
