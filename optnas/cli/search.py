"""The commands that search: init, run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from optnas.cli.app import RUN_ERROR, app, out, say, search_endings
from optnas.cli.options import (
    ArtifactsOption,
    StorageOption,
    StoragePatienceOption,
    ThreadsOption,
    TrialsPerGpuOption,
    WorkersOption,
    WorkersPerGpuOption,
)
from optnas.errors import UserError
from optnas.storages.opening import DEFAULT_STORAGE

__all__: list[str] = []


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("study.py"),
    kind: Annotated[
        str, typer.Option(help="The data: digits, to try it, or your own: tabular, images, series or text.")
    ] = "digits",
) -> None:
    """Write a commented study file to start from.

    [dim]Examples:[/]

      optnas init

      optnas init studies/faces.py --kind images
    """
    from optnas.run.template import study_file

    if path.exists():
        raise UserError(f"{path} is there already: choose another name")
    if path.suffix != ".py":
        raise UserError(f"{path}: a study file ends in .py")
    if not path.parent.is_dir():
        raise UserError(f"the folder {path.parent} does not exist: make it first")
    path.write_text(study_file(kind, path), encoding="utf-8")
    command = (f"optnas run {path} --trials 40", "bold")
    out.print(Text.assemble(f"Wrote {path}. Run it: ", command))


@app.command()
def run(
    study: Annotated[
        str, typer.Argument(metavar="FILE", help="The study file; FILE.py:NAME for one of several.")
    ],
    trials: Annotated[
        int,
        typer.Option("--trials", "-n", help="How many trials the study has in the end, over all workers."),
    ] = 100,
    workers: WorkersOption = None,
    workers_per_gpu: WorkersPerGpuOption = None,
    trials_per_gpu: TrialsPerGpuOption = None,
    threads: ThreadsOption = None,
    timeout: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Start no trial after this time, such as 90s, 30m or 1h30m; running ones are finished.",
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop when the front has not moved for so many trials, over all runs."),
    ] = None,
    enqueue: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Run this architecture first, or these parameters (layers=2, lr=0.01); again for another.",
        ),
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE",
            help="Log every trial to tensorboard:FOLDER, mlflow:URI or wandb:PROJECT, which need"
            " pip install 'optnas\\[tensorboard]' and so on; again for another.",
        ),
    ] = None,
    artifacts: ArtifactsOption = None,
    storage: StorageOption = DEFAULT_STORAGE,
    storage_patience: StoragePatienceOption = None,
    publish: Annotated[
        bool,
        typer.Option(
            "--publish/--no-publish",
            help="Whether to write notes and figures for optuna-dashboard as trials end.",
        ),
    ] = True,
) -> None:
    """Search: run trials until the study has as many as asked for.

    Run it again to go on where it stopped, with a larger --trials to go further, or on other
    machines with the same --storage to go faster. Ctrl-C stops it and loses nothing that is finished.

    [dim]Examples:[/]

      optnas run studies/digits.py --trials 40

      optnas run studies/digits.py --trials 400 --workers 8

      optnas run study.py --timeout 2h --patience 100

      optnas run s.py --enqueue "seq(seq(conv(16), norm, relu), maxpool(2), head)"

      optnas run study.py --log tensorboard:runs --log mlflow:sqlite:///mlflow.db

      optnas run study.py -n 1000 --workers-per-gpu auto

      optnas run study.py -n 1000 -s postgresql://user:password@host/database
    """
    from optnas.run.command import run_command
    from optnas.run.options import RunOptions
    from optnas.run.worker import EveryTrialFailed

    options = RunOptions(
        trials=trials,
        workers=workers,
        workers_per_gpu=workers_per_gpu,
        trials_per_gpu=trials_per_gpu,
        threads=threads,
        artifacts=artifacts,
        timeout=timeout,
        patience=patience,
        enqueue=tuple(enqueue or ()),
        log=tuple(log or ()),
        storage_patience=storage_patience,
        publish=publish,
    )
    try:
        with search_endings():
            run_command(study, storage, options, out)
    except EveryTrialFailed as error:
        say(error)
        raise typer.Exit(RUN_ERROR) from None
