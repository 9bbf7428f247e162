"""What simple models have, printed beside the front of a run."""

from __future__ import annotations

from rich.console import Console

from optnas.reports.numbers import short
from optnas.shown import plain
from optnas.study import Study

__all__ = ["tell_baselines"]


def tell_baselines(study: Study, console: Console) -> None:
    """Print what the baselines of the study's task have of its objectives; nothing if there are none."""
    if study.task is None:
        return
    told = []
    for name, metrics in study.task.baselines().items():
        has = [
            f"{objective.name} {short(objective.metric(metrics))}"
            for objective in study.objectives
            if objective.metric.names <= metrics.keys()
        ]
        told += [f"{name} {', '.join(has)}"] if has else []
    if told:
        console.print(f"Beside it: {plain('; '.join(told))}.", soft_wrap=True, highlight=False, markup=False)
