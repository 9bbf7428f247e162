"""The command from a study to a network that can be shipped: choose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optnas.cli.app import INTERRUPTED, app, out
from optnas.cli.options import StorageOption
from optnas.errors import UserError
from optnas.shown import sentence
from optnas.storages.opening import DEFAULT_STORAGE

__all__: list[str] = []


@app.command()
def choose(
    study: Annotated[
        str,
        typer.Argument(metavar="FILE", help="The study file; FILE.py:NAME for one of several."),
    ],
    budget: Annotated[
        list[str] | None,
        typer.Option(
            "--budget", "-b", metavar="LIMIT", help="What it may cost, such as 'flops <= 1e6'; repeatable."
        ),
    ] = None,
    knee: Annotated[
        bool, typer.Option("--knee", help="Choose where the front bends: more costs much from there on.")
    ] = False,
    repeats: Annotated[
        int, typer.Option(help="Train it and its neighbours so often again, to see what is chance.")
    ] = 3,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            help="What to export it to, as optnas export; repeatable. By default onnx; or none.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which one and why.")] = False,
    seeds: Annotated[int, typer.Option(help="How many times to train it fully, each with another seed.")] = 1,
    epochs: Annotated[int | None, typer.Option(help="By default as many as the trial's.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without a better one.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The folder to write; by default runs/STUDY-TRIAL."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads to compute with; 1 is fastest for small networks.")
    ] = None,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Choose a network of a study, say why that one, train it and export it.

    Within a budget it is the one that is best in what the study measures on validation data. A limit may be
    on anything that was recorded, or can be measured now: latency_ms, latency_p95_ms, size, peak_memory and
    energy.

    [dim]Examples:[/]

      optnas choose studies/digits.py --budget "flops <= 2e5"

      optnas choose studies/digits.py -b "latency_ms <= 0.5" -b "params <= 5000"

      optnas choose studies/digits.py --knee --dry-run

      optnas choose studies/digits.py --knee --format openvino --out shipped
    """
    from optnas.export.command import export_command, lines
    from optnas.export.registry import format_named
    from optnas.winner.choose_command import choose_trial
    from optnas.winner.command import train_command
    from optnas.winner.jobs import TrainOptions

    for name in ["onnx"] if formats is None and not dry_run else formats or []:
        if name != "none":
            form = format_named(name)
            try:
                form.check_installed()  # before trainings that take long
            except UserError as error:
                raise UserError(f"{error}; or train without a file, by --format none") from None
    try:
        number = choose_trial(
            study, storage, budgets=budget or [], at_knee=knee, repeats=repeats, threads=threads, console=out
        )
        if not dry_run:
            more = [] if epochs is None else [f"epochs={epochs}"]
            wanted = TrainOptions(
                trial=number, seeds=seeds, patience=patience, settings=tuple(more), out=folder
            )
            (written,) = train_command(study, storage, wanted, threads=threads, console=out)
            for each in ["onnx"] if formats is None else formats:
                if each != "none":
                    for line in lines(export_command(written, each, None, data=study)):
                        sentence(out, line)
    except KeyboardInterrupt:
        out.print("Stopped. Run the same command to go on.")
        raise typer.Exit(INTERRUPTED) from None
