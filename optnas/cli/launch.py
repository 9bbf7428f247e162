"""The command that searches on many machines: launch."""

from __future__ import annotations

from typing import Annotated

import typer

from optnas.cli.app import app, out, search_endings
from optnas.cli.options import ArtifactsOption, StorageOption
from optnas.storages.opening import DEFAULT_STORAGE

__all__: list[str] = []


@app.command()
def launch(
    study: Annotated[
        str, typer.Argument(metavar="FILE", help="The study file; FILE.py:NAME for one of several.")
    ],
    engine: Annotated[
        str,
        typer.Option(help="local, ssh, slurm, local-submitit, ray, compose or kubernetes."),
    ] = "local",
    trials: Annotated[
        int,
        typer.Option("--trials", "-n", help="How many trials the study has in the end, over all workers."),
    ] = 100,
    workers: Annotated[int, typer.Option("--workers", "-w", help="Workers in all.")] = 4,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print what would be submitted, and submit nothing.")
    ] = False,
    detach: Annotated[
        bool, typer.Option(help="Leave the workers running (local, ssh, local-submitit).")
    ] = False,
    host: Annotated[list[str] | None, typer.Option(help="ssh: machines, as a,b or by repeating it.")] = None,
    image: Annotated[
        str | None, typer.Option(help="compose, kubernetes: the container image, with optnas in it.")
    ] = None,
    python: Annotated[
        str | None, typer.Option(help="ssh, slurm: the machines' Python; by default the path of this one.")
    ] = None,
    cpus_per_worker: Annotated[int, typer.Option(help="Cores of each worker, which are its threads.")] = 1,
    gpus_per_worker: Annotated[
        float | None, typer.Option(help="GPUs of each worker; with ray also a share, such as 0.25.")
    ] = None,
    memory: Annotated[float | None, typer.Option(metavar="GIB", help="Memory of each worker.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop when the front has not moved for so many trials.")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Give workers this environment variable; may be repeated."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting of the engine: sbatch's (partition=gpu), ssh's (Port=2222), a resource of ray, a"
            " node label of kubernetes.",
        ),
    ] = None,
    artifacts: ArtifactsOption = None,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Search on many machines: place workers by an engine, which restarts those that die.

    Each worker is an [bold]optnas run[/] on one storage, so machines may come and go. Give the storage as
    OPTNAS_STORAGE to keep its password out of the list of processes and the shell's history.

    [dim]Examples:[/]

      optnas launch study.py -w 16 --engine slurm --set partition=gpu

      optnas launch study.py -n 1000 -w 16 --engine ssh --host anna,bert

      optnas launch study.py -n 1000 -w 16 --engine ray --gpus-per-worker 0.25

      optnas launch study.py -w 16 --engine kubernetes --image me/optnas --print
    """
    from optnas.launch.command import launch_command, settings_of
    from optnas.launch.engine import Placement
    from optnas.launch.job import Job

    job = Job(
        study, "", storage, trials, workers, artifacts, patience, cpus_per_worker, gpus_per_worker, memory,
        tuple(env or ()),
    )  # fmt: skip
    placement = Placement(tuple(host or ()), image, python, settings_of(settings or ()), detach)
    with search_endings():
        launch_command(engine, job, placement, out, only_print=only_print)
