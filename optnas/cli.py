"""The command line: one function a command, no logic."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from optnas.errors import UserError
from optnas.run.storage import DEFAULT_STORAGE

__all__ = ["app", "main"]

_USER_ERROR, _RUN_ERROR, _INTERRUPTED = 2, 1, 130

out = Console()
err = Console(stderr=True)


class _Commands(TyperGroup):
    """Commands whose errors are one line that says what to do."""

    def invoke(self, ctx: Any) -> Any:
        from optnas.space.errors import SpaceError

        try:
            return super().invoke(ctx)
        except (UserError, SpaceError) as error:
            _say(error)
            ctx.exit(_USER_ERROR)
        except BrokenPipeError:  # what reads our output has seen enough
            sys.stderr.close()
            ctx.exit(0)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)  # in the order of this file, which is that of the work


def _say(error: BaseException) -> None:
    err.print("[bold red]error:[/]", _one_line(error), soft_wrap=True, highlight=False, markup=True)


def _one_line(error: BaseException) -> str:
    from rich.markup import escape

    return escape(" ".join(str(error).split()))


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

StorageOption = Annotated[
    str,
    typer.Option(
        "--storage",
        "-s",
        envvar="OPTNAS_STORAGE",
        help="Where studies are kept: any Optuna storage URL, or a journal's .log file.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", "-w", help="Local processes; by default one a core, or one a GPU."),
]
WorkersPerGpuOption = Annotated[
    str | None,
    typer.Option(
        metavar="N|auto", help="Local processes for each GPU; auto goes by its memory and the cores."
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        help="Threads each worker computes with; by default 1, or with fewer workers than cores what a second"
        " of trying shows to be fastest."
    ),
]
ArtifactsOption = Annotated[
    str | None,
    typer.Option(
        metavar="PLACE",
        envvar="OPTNAS_ARTIFACTS",
        help="Where running and paused trials keep checkpoints, for whoever goes on with them: a folder,"
        " s3://bucket, gs://bucket or none. By default where the study says, or a folder beside the storage."
        " Several machines need one that all of them reach.",
    ),
]
StudyOption = Annotated[
    str | None,
    typer.Option("--study", help="A study's name, or its file. Needed where the storage has several."),
]
StudyArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[STUDY]", help="A study's name, or its file. Needed where the storage has several."
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        out.print(f"optnas {version('optnas')}", highlight=False)
        raise typer.Exit


@app.callback()
def optnas(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Neural architecture search as an Optuna study.

    Write a study file (optnas init), search (optnas run), look at the trade-off (optnas pareto,
    optnas dashboard).
    """


@app.command()
def init(path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("study.py")) -> None:
    """Write a commented study file to start from.

    [dim]Examples:[/]

      optnas init

      optnas init studies/faces.py
    """
    from optnas.run.template import TEMPLATE

    if path.exists():
        raise UserError(f"{path} is there already: choose another name")
    if path.suffix != ".py":
        raise UserError(f"{path}: a study file ends in .py")
    if not path.parent.is_dir():
        raise UserError(f"the folder {path.parent} does not exist: make it first")
    path.write_text(TEMPLATE.format(file=path, name=path.stem), encoding="utf-8")
    out.print(f"Wrote {path}. Run it: [bold]optnas run {path} --trials 40[/]", highlight=False)


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
    threads: ThreadsOption = None,
    artifacts: ArtifactsOption = None,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Search: run trials until the study has as many as asked for.

    Run it again to go on where it stopped, with a larger --trials to go further, or on other
    machines with the same --storage to go faster. Ctrl-C stops it and loses nothing that is finished.

    [dim]Examples:[/]

      optnas run studies/digits.py --trials 40

      optnas run studies/digits.py --trials 400 --workers 8

      optnas run study.py -n 1000 --workers-per-gpu auto

      optnas run study.py -n 1000 -s postgresql+psycopg://user:password@host/database
    """
    from optnas.run.command import run_command
    from optnas.run.worker import EveryTrialFailed

    try:
        run_command(
            study,
            storage,
            trials=trials,
            workers=workers,
            workers_per_gpu=workers_per_gpu,
            threads=threads,
            artifacts=artifacts,
            console=out,
        )
    except EveryTrialFailed as error:
        _say(error)
        raise typer.Exit(_RUN_ERROR) from None
    except KeyboardInterrupt:
        out.print("Stopped. Run the same command to go on.")
        raise typer.Exit(_INTERRUPTED) from None


@app.command()
def status(storage: StorageOption = DEFAULT_STORAGE) -> None:
    """Show every study of a storage: trials by state, best values, what is of use.

    [dim]Examples:[/]

      optnas status

      optnas status --storage sqlite:///other.db
    """
    from optnas.reports.terminal import studies_view
    from optnas.run.lookup import all_studies

    out.print(studies_view(all_studies(storage)))


@app.command()
def pareto(
    study: StudyArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with everything recorded.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the front into this file: .html, .svg, .png or .pdf.")
    ] = None,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Show the front: the trials that no other beats in every objective.

    [dim]Examples:[/]

      optnas pareto

      optnas pareto digits --csv > front.csv

      optnas pareto digits --plot front.html
    """
    from optnas.reports import records, terminal
    from optnas.run.lookup import find_study
    from optnas.trials.progress import front

    found = find_study(storage, study)
    best = front(found)
    if plot is not None:
        from optnas.reports.figures import front_figure, write_figure

        write_figure(front_figure(found), plot)
        err.print(f"Wrote {plot}", highlight=False)
    if as_json:
        print(json.dumps([records.as_record(found, trial) for trial in best], indent=2))
    elif as_csv:
        print(records.as_csv(found, best), end="")
    elif best:
        out.print(terminal.front_table(found, best))
    else:
        out.print(f"Study {found.study_name!r} has no complete trial yet.")


@app.command()
def show(
    trial: Annotated[int, typer.Argument(help="The trial's number.")],
    study: StudyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Show everything a trial's record says.

    [dim]Examples:[/]

      optnas show 17

      optnas show 17 --study digits --json
    """
    from optnas.reports import records, terminal
    from optnas.run.lookup import find_study, find_trial

    found = find_study(storage, study)
    frozen = find_trial(found, trial)
    if as_json:
        print(json.dumps(records.as_record(found, frozen), indent=2))
    else:
        out.print(terminal.trial_view(found, frozen))


@app.command()
def train(
    study: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="The study file, as the task stands in it; FILE.py:NAME for one of several.",
        ),
    ],
    trial: Annotated[int | None, typer.Option("--trial", "-t", help="The trial to train.")] = None,
    architecture: Annotated[
        str | None, typer.Option("--architecture", "-a", help="An architecture's text to train instead.")
    ] = None,
    front: Annotated[bool, typer.Option("--front", help="Train every trial of the front.")] = False,
    seeds: Annotated[int, typer.Option(help="How many times, each with another seed.")] = 1,
    epochs: Annotated[int | None, typer.Option(help="By default as many as the trial's.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without a better one.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Train with another value than the trial did."),
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
    """Train a network fully, and write its weights, its test metrics and a model card.

    What is kept is the epoch that is best on the validation part; the test part is looked at once, at
    the end. Run it again to go on where it was stopped.

    [dim]Examples:[/]

      optnas train studies/digits.py --trial 17

      optnas train studies/digits.py --trial 17 --seeds 3 --epochs 50 --patience 10

      optnas train studies/digits.py --front --out runs

      optnas train studies/digits.py -a "seq(conv(16), relu, head)" --set optimizer=adam --set lr=0.01
    """
    from optnas.winner.command import TrainOptions, train_command

    more = [] if epochs is None else [f"epochs={epochs}"]
    wanted = TrainOptions(trial, architecture, front, seeds, patience, (*(settings or ()), *more), folder)
    try:
        train_command(study, storage, wanted, threads=threads, console=out)
    except KeyboardInterrupt:
        out.print("Stopped. Run the same command to go on.")
        raise typer.Exit(_INTERRUPTED) from None


@app.command()
def dashboard(
    storage: StorageOption = DEFAULT_STORAGE,
    port: Annotated[int, typer.Option(help="Where to listen.")] = 8080,
    host: Annotated[
        str, typer.Option(help="The dashboard asks nobody who they are: keep it local.")
    ] = "127.0.0.1",
) -> None:
    """Explore the storage in optuna-dashboard, in a browser.

    [dim]Examples:[/]

      optnas dashboard

      optnas dashboard --port 9000 --storage sqlite:///other.db
    """
    from optnas.run.dashboard import serve

    serve(storage, host, port, announce=lambda url: out.print(f"Listening on {url} (Ctrl-C ends it)"))


@app.command()
def doctor(storage: StorageOption = DEFAULT_STORAGE) -> None:
    """Tell what this machine has: versions, devices, threads, and whether the storage is reachable.

    [dim]Examples:[/]

      optnas doctor

      optnas doctor --storage postgresql+psycopg://user:password@host/database
    """
    from rich.markup import escape

    from optnas.run.doctor import examine

    found = examine(storage)
    for what, answer, well in found:
        mark = "[green]✓[/]" if well else "[red]✗[/]"
        out.print(f"{mark} {what:<17} {escape(answer)}", highlight=False, soft_wrap=True)
    if not all(well for _, _, well in found):
        raise typer.Exit(_RUN_ERROR)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
