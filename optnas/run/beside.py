"""Metrics of simple models, printed beside the front of a run."""

from __future__ import annotations

from rich.console import Console

from optnas.reports.numbers import short
from optnas.shown import plain, sentence
from optnas.study import Study
from optnas.train.own_tasks import baselines_of

__all__ = ["baselines_told", "tell_baselines"]


def baselines_told(study: Study) -> str:
    """Return in words what the baselines of the study's task have of its objectives; empty if nothing.

    Raises:
        UserError: If the task's ``baselines`` fails, or returns what are none.
    """
    told = []
    for name, metrics in baselines_of(study.task).items() if study.task is not None else ():
        has = [
            f"{objective.name} {short(objective.metric(metrics))}"
            for objective in study.objectives
            if objective.metric.names <= metrics.keys()
        ]
        told += [f"{name} {', '.join(has)}"] if has else []
    return f"Beside it: {plain('; '.join(told))}." if told else ""


def tell_baselines(told: str, console: Console) -> None:
    """Print what :func:`baselines_told` returned."""
    if told:
        sentence(console, told)
