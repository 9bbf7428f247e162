"""The progress display of ``optnas train``: a bar for each training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from optnas.reports.numbers import short
from optnas.winner.full_training import Plan, TrainingHistory

__all__ = ["Bar", "Show", "Shown", "display", "shown_of"]

# What is no surprise.
_AS_PLANNED = (None, "all epochs", "as long as validation chose")


@dataclasses.dataclass(frozen=True)
class Bar:
    """A bar of the display: its text and its number of epochs."""

    label: str
    epochs: int


@dataclasses.dataclass(frozen=True)
class Shown:
    """The state of a training, as its bar shows it.

    Attributes:
        done: The number of epochs done.
        told: The last and the best score in words.
        ended: The reason why it ended; ``None`` before that.
    """

    done: int
    told: str = ""
    ended: str | None = None


Show = Callable[[Hashable, Shown], None]
"""Callback: called with the key of a bar and how far its training is."""


def shown_of(plan: Plan, history: TrainingHistory) -> Shown:
    """Return how far a training is, in words."""
    told = ""
    if history.best and plan.until is None:
        score = plan.score.metric
        last, best = (short(score({**plan.costs, **m})) for m in (history.curve[-1], history.metrics))
        told = f"now {last}, best {best} in epoch {history.best}"
    return Shown(len(history.curve), told, history.ended)


@contextmanager
def display(title: Text, bars: Mapping[Any, Bar], console: Console) -> Iterator[Show]:
    """Show ``title`` and a bar for each training; yield the callback that updates them by their keys."""
    console.print(title)
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=36),
        TextColumn("[bold]{task.completed}[/]/{task.total} epochs"),
        TextColumn("{task.fields[told]}", markup=False),
        TimeRemainingColumn(),
        console=console,
    )
    tasks: dict[Any, TaskID] = {
        key: progress.add_task(bar.label, total=bar.epochs, start=False, told="") for key, bar in bars.items()
    }
    begun: set[Any] = set()
    ended: dict[Any, str | None] = {}

    def show(key: Any, shown: Shown) -> None:
        if key not in begun:  # the bar's time starts here
            progress.reset(tasks[key], completed=shown.done, total=bars[key].epochs)
            begun.add(key)
        ended[key] = shown.ended
        progress.update(tasks[key], completed=shown.done, told=shown.told)

    with progress:
        yield show
    for key, reason in ended.items():
        if reason not in _AS_PLANNED:
            console.print(f"{bars[key].label} ended early: {reason}")
