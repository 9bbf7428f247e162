"""The progress display of ``optnas train``: a bar for each seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from optnas.reports.numbers import short
from optnas.winner.full_training import HistoryCallback, Plan, TrainingHistory
from optnas.winner.jobs import Job

__all__ = ["display"]


@contextmanager
def display(job: Job, seeds: list[int], console: Console) -> Iterator[HistoryCallback]:
    """Show a progress bar per seed, with the last and best scores; yield the callback that updates it."""
    epochs, score = job.plan.training.epochs, job.plan.score.name
    console.print(Text.assemble((job.folder.name, "bold cyan"), f" · {score} on validation"))
    progress = Progress(
        TextColumn("seed {task.description}"),
        BarColumn(bar_width=36),
        TextColumn("[bold]{task.completed}[/]/{task.total} epochs"),
        TextColumn("{task.fields[told]}", markup=False),
        TimeRemainingColumn(),
        console=console,
    )
    bars: dict[int, TaskID] = {
        seed: progress.add_task(str(seed), total=epochs, start=False, told="") for seed in seeds
    }
    begun: set[int] = set()
    ended: dict[int, str | None] = {}

    def watch(history: TrainingHistory) -> None:
        done, bar = len(history.curve), bars[history.seed]
        if history.seed not in begun:  # the bar's time starts here
            progress.reset(bar, completed=done, total=epochs)
            begun.add(history.seed)
        ended[history.seed] = history.ended
        progress.update(bar, completed=done, told=_told(job.plan, history))

    with progress:
        yield watch
    for seed, reason in ended.items():
        if reason not in (None, "all epochs"):
            console.print(f"seed {seed} ended early: {reason}")


def _told(plan: Plan, history: TrainingHistory) -> str:
    if not history.best:
        return ""
    score = plan.score.metric
    last, best = (short(score({**plan.costs, **m})) for m in (history.curve[-1], history.metrics))
    return f"{last}, best {best} in epoch {history.best}"
