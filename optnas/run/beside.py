"""What simple models have, printed beside the front of a run."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console

from optnas.errors import UserError
from optnas.reports.numbers import short
from optnas.shown import plain
from optnas.study import Study
from optnas.train.task_checks import figures

__all__ = ["tell_baselines"]


def tell_baselines(study: Study, console: Console) -> None:
    """Print what the baselines of the study's task have of its objectives; nothing if there are none."""
    if study.task is None:
        return
    told, task = [], type(study.task).__name__
    baselines = study.task.baselines()
    if not isinstance(baselines, Mapping):
        raise UserError(f"{task}.baselines() returns {baselines!r:.60}; give metrics by the models' names")
    for name, given in baselines.items():
        metrics = figures(f"{task}.baselines()[{name!r}]", given)
        has = [
            f"{objective.name} {short(objective.metric(metrics))}"
            for objective in study.objectives
            if objective.metric.names <= metrics.keys()
        ]
        told += [f"{name} {', '.join(has)}"] if has else []
    if told:
        console.print(f"Beside it: {plain('; '.join(told))}.", soft_wrap=True, highlight=False, markup=False)
