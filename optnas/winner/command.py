"""The command ``optnas train``: choose networks, train them with a progress display, write folders."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from optnas.errors import UserError
from optnas.interrupts.signals import stop_on_signals
from optnas.run.files import load_study
from optnas.train import use_threads
from optnas.winner.assessment import assess, metrics_on
from optnas.winner.card import over_seeds
from optnas.winner.folder import check_folder, checkpoint_of, finished, write
from optnas.winner.full_training import check_settings, train_seed
from optnas.winner.jobs import Job, TrainOptions, jobs_of
from optnas.winner.progress import display
from optnas.winner.trained import Trained

__all__ = ["TrainOptions", "train_command"]

# More are a slip of the keyboard.
_MOST_SEEDS = 10_000


def train_command(
    file: str, url: str, wanted: TrainOptions, *, threads: int | None, console: Console
) -> None:
    """Train the ``wanted`` networks of the study that ``file`` declares, and write a folder for each.

    Raises:
        UserError: If an option does not fit, or a training fails; the other trials of a Pareto front are
            trained first.
        KeyboardInterrupt: If it is stopped; running it again resumes the training.
    """
    for what, number in (("seeds", wanted.seeds), ("patience", wanted.patience), ("threads", threads)):
        if number is not None and number < 1:
            raise UserError(f"--{what} {number}: it must be at least 1")
    if wanted.seeds > _MOST_SEEDS:
        raise UserError(f"--seeds {wanted.seeds}: it must be at most {_MOST_SEEDS:,}")
    study = load_study(file)
    if study.task is None:
        raise UserError(f"study {study.name!r} evaluates by a function of its own: there is no task to train")
    study.task.check()
    use_threads(threads)
    jobs = list(jobs_of(study, url, wanted))
    failures = []
    with stop_on_signals():
        for job in jobs:
            try:
                _train(job, [study.seed + i for i in range(wanted.seeds)], console)
            except UserError as error:
                failures.append(f"{job.folder.name}: {error}" if len(jobs) > 1 else str(error))
    if failures:
        raise UserError("; ".join(failures))


def _train(job: Job, seeds: list[int], console: Console) -> None:
    check_folder(job.folder)
    record = finished(job.folder)
    if record is not None:
        now = {**job.plan.settings, "seeds": seeds}
        check_settings({**record["settings"], "seeds": record["seeds"]}, now, job.folder)
        console.print(f"{job.folder} is trained already.")
    else:
        with display(job, seeds, console) as watch:
            histories = [train_seed(job.plan, seed, checkpoint_of(job.folder, seed), watch) for seed in seeds]
        trained = Trained(job.study, job.trial, job.plan, histories, [])
        # The test part is used only now.
        tests = [metrics_on(job.plan, "test", [history]) for history in histories]
        assessment = assess(job.plan, [trained.chosen], [trained.chosen])
        record = write(job.folder, dataclasses.replace(trained, tests=tests, assessment=assessment))
        console.print(f"Wrote {job.folder}; load it by optnas.load({str(job.folder)!r}).")
    console.print(_results(record))


def _results(record: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("metric", "validation", "test"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for row in over_seeds(record):
        table.add_row(*row)
    return table
