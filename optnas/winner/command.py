"""The command ``optnas train``: choose networks, train them with a progress display, write folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from optnas.errors import UserError
from optnas.interrupts.signals import STOP_SECONDS, stop_on_signals
from optnas.run.files import load_study
from optnas.run.gpus import gpus_of
from optnas.run.notes import data_is_known
from optnas.shown import sentence
from optnas.study import Study
from optnas.train import use_threads
from optnas.winner.all_data import check_all_data
from optnas.winner.baselines import better_told
from optnas.winner.card import over_seeds
from optnas.winner.conclusion import check_ensemble, conclude
from optnas.winner.folder import check_folder, finished, remove_checkpoints, state, write
from optnas.winner.full_training import TrainingHistory, check_settings
from optnas.winner.jobs import Job, TrainOptions, jobs_of
from optnas.winner.processes import Workers
from optnas.winner.progress import Bar, Show, display, shown_of
from optnas.winner.ranking import ranking, ranking_told, write_ranking
from optnas.winner.trainings import Item, plan_of, train_item

__all__ = ["TrainOptions", "train_command"]

# More are a slip of the keyboard.
_MOST_SEEDS = 10_000
_MOST_WORKERS = 1_000


def train_command(
    file: str,
    url: str,
    wanted: TrainOptions,
    *,
    threads: int | None,
    console: Console,
    workers: int = 1,
) -> list[Path]:
    """Train the ``wanted`` networks of the study that ``file`` declares, and return a folder for each.

    Args:
        file: The study's file.
        url: The storage's URL.
        wanted: What to train.
        threads: Threads of each process; by default 1.
        console: Where progress and results are printed.
        workers: The number of processes that train seeds, and trials of a front, at once.

    Raises:
        UserError: If an option does not fit, or a training fails; the other trials of a Pareto front are
            trained first.
        KeyboardInterrupt: If it is stopped; running it again resumes the training.
    """
    study = _checked(file, wanted, threads, workers)
    use_threads(threads)
    jobs = list(jobs_of(study, url, wanted))
    seeds = [study.seed + i for i in range(wanted.seeds)]
    failures: dict[Path, str] = {}
    records: list[tuple[Job, dict[str, Any]]] = []
    # Processes that stop take as long as one may.
    with stop_on_signals(STOP_SECONDS if workers == 1 else None):
        if workers > 1:
            with Workers(file, url, wanted, workers, threads, gpus_of(study)) as pool:
                failures = _train_at_once(jobs, seeds, pool, console)
        for job in jobs:
            if job.folder not in failures:
                try:
                    records.append((job, _train(job, seeds, console, quiet=workers > 1)))
                except UserError as error:
                    failures[job.folder] = str(error)
        if wanted.front and records:
            found = ranking([(job, record) for job, record in records])
            write_ranking(records[0][0].folder.parent, found)
            sentence(console, ranking_told(found))
    if failures:
        told = (f"{folder.name}: {why}" if len(jobs) > 1 else why for folder, why in failures.items())
        raise UserError("; ".join(told))
    return [job.folder for job in jobs]


def _checked(file: str, wanted: TrainOptions, threads: int | None, workers: int) -> Study:
    """Return the study, whose task can be trained as it is ``wanted``.

    Raises:
        UserError: If it cannot.
    """
    numbers = {
        "seeds": (wanted.seeds, _MOST_SEEDS),
        "patience": (wanted.patience, None),
        "threads": (threads, None),
        "workers": (workers, _MOST_WORKERS),
    }
    for what, (number, most) in numbers.items():
        if number is not None and number < 1:
            raise UserError(f"--{what} {number}: it must be at least 1")
        if number is not None and most is not None and number > most:
            raise UserError(f"--{what} {number}: it must be at most {most:,}")
    if wanted.trial is not None or wanted.front:
        data_is_known()
    study = load_study(file)
    if study.task is None:
        raise UserError(f"study {study.name!r} evaluates by a function of its own: there is no task to train")
    study.task.check()
    if wanted.ensemble:
        check_ensemble(study.task, wanted.seeds)
    if wanted.all_data:
        check_all_data(study.task)
    return study


def _train(job: Job, seeds: Sequence[int], console: Console, *, quiet: bool) -> dict[str, Any]:
    """Train with all seeds, write the folder, print its metrics and return its record.

    With ``quiet`` no progress is shown, as all has been trained already.
    """
    check_folder(job.folder)
    record = finished(job.folder)
    if record is not None:
        _check_same(job, seeds, record)
        remove_checkpoints(job.folder)
        record = state(job.folder, record, job.card.stated)
        sentence(console, f"{job.folder} is trained already.")
    else:
        histories = _trained([Item(job, seed) for seed in seeds], console, quiet)
        refits: list[TrainingHistory] = []
        task = job.plan.task
        if job.all_data:
            items = [Item(job, history.seed, history) for history in histories]
            refits, task = _trained(items, console, quiet), plan_of(items[0]).task
        record = write(job.folder, conclude(job, histories, refits, task))
        sentence(console, f"Wrote {job.folder}; load it by optnas.load({str(job.folder)!r}).")
    console.print(_results(record))
    if (told := better_told(record, job.plan.score)) is not None:
        sentence(console, told)
    return record


def _check_same(job: Job, seeds: Sequence[int], record: Mapping[str, Any]) -> None:
    then = {"seeds": record["seeds"], "all_data": "all_data" in record, "ensemble": "ensemble" in record}
    now = {"seeds": list(seeds), "all_data": job.all_data, "ensemble": job.ensemble}
    check_settings({**record["settings"], **then}, {**job.plan.settings, **now}, job.folder)


def _trained(items: Sequence[Item], console: Console, quiet: bool) -> list[TrainingHistory]:
    """Train one item after the other."""
    if quiet:
        return [train_item(item, plan_of(item), lambda history: None) for item in items]
    with display(_title(items), {item: _bar(item, f"seed {item.seed}") for item in items}, console) as show:
        return [_shown(item, show) for item in items]


def _shown(item: Item, show: Show) -> TrainingHistory:
    plan = plan_of(item)
    return train_item(item, plan, lambda history: show(item, shown_of(plan, history)))


def _title(items: Sequence[Item]) -> Text:
    job, count = items[0].job, len({item.job.folder for item in items})
    name = job.folder.name if count == 1 else f"{count} networks"
    what = f"{job.plan.score.name} on validation" if items[0].chosen is None else "again, on all data"
    return Text.assemble((name, "bold cyan"), f" · {what}")


def _bar(item: Item, label: str) -> Bar:
    return Bar(label, item.job.plan.training.epochs if item.chosen is None else item.chosen.best)


def _train_at_once(
    jobs: Sequence[Job], seeds: Sequence[int], pool: Workers, console: Console
) -> dict[Path, str]:
    """Train all seeds of all networks in processes; return why networks failed, by their folders."""
    items, failures = [], {}
    for job in jobs:
        try:
            check_folder(job.folder)
            if finished(job.folder) is None:
                items += [Item(job, seed) for seed in seeds]
        except UserError as error:
            failures[job.folder] = str(error)
    several = len({item.job.folder for item in items}) > 1

    def train(items: Sequence[Item]) -> None:
        if not items:
            return
        labels = {i: f"{i.job.folder.name} seed {i.seed}" if several else f"seed {i.seed}" for i in items}
        bars = {item: _bar(item, label) for item, label in labels.items()}
        with display(_title(items), bars, console) as show:
            for item, reason in pool.train(items, show).items():
                failures.setdefault(item.job.folder, f"seed {item.seed}: {reason}")

    train(items)
    again = [item for item in items if item.job.all_data and item.job.folder not in failures]
    # What is finished is read from its checkpoint.
    train([Item(i.job, i.seed, train_item(i, i.job.plan, lambda history: None)) for i in again])
    return failures


def _results(record: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("metric", "validation", "test"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for row in over_seeds(record):
        table.add_row(*row)
    return table
