"""Logging to Weights & Biases: a run a trial, in a group for the study."""

from __future__ import annotations

from typing import Any, ClassVar

from optnas.loggers.callback import LoggerCallback
from optnas.loggers.entry import Entry
from optnas.shown import plain

__all__ = ["WeightsAndBiasesCallback"]

_LONGEST_GROUP = 120


class WeightsAndBiasesCallback(LoggerCallback):
    """Optuna callback that logs trials to Weights & Biases: a run for each, in a group for the study.

    The history is the objectives at rungs, the config parameters and architecture, the summary values, costs,
    metrics, state and why a trial did not complete. ``WANDB_MODE=offline`` writes it to ``wandb/`` alone.

    Args:
        project: The project's name.
        entity: Whose it is; by default yours.
    """

    name: ClassVar[str] = "wandb"
    packages: ClassVar[tuple[str, ...]] = ("wandb",)

    def __init__(self, project: str = "optnas", *, entity: str | None = None) -> None:
        super().__init__()
        self.project, self.entity = project, entity

    def log(self, entry: Entry) -> None:
        wandb: Any = self._module("wandb")
        run = wandb.init(
            project=self.project,
            entity=self.entity,
            group=plain(entry.study)[:_LONGEST_GROUP],
            name=f"trial {entry.number}",
            # One that is there already is written anew, the same.
            id=entry.id,
            config={**entry.params, "architecture": entry.architecture},
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off", disable_git=True, x_disable_stats=True),
        )
        try:
            for step, values in entry.curve.items():
                run.log({f"rung/{name}": value for name, value in values.items()}, step=step)
            run.summary.update({**entry.figures, "state": entry.state, "reason": entry.reason})
        finally:
            run.finish(exit_code=int(entry.state == "fail"))
