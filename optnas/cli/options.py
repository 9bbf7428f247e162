"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from optnas.errors import UserError

__all__ = [
    "ArtifactsOption",
    "ChangedOpsOption",
    "OpsOption",
    "StorageOption",
    "StoragePatienceOption",
    "StudyArgument",
    "StudyOption",
    "ThreadsOption",
    "TrialsPerGpuOption",
    "WorkersOption",
    "WorkersPerGpuOption",
    "named_study",
]

StorageOption = Annotated[
    str,
    typer.Option(
        "--storage",
        "-s",
        envvar="OPTNAS_STORAGE",
        help="Where studies are kept: the URL of a database (sqlite, postgresql, mysql), redis:// or grpc://,"
        " or a journal's .log file.",
    ),
]
StoragePatienceOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        envvar="OPTNAS_STORAGE_PATIENCE",
        help="Wait so long for a storage that is away, such as 90s or 1h. By default 10m, but 5s for a server"
        " that does not answer at the beginning.",
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
TrialsPerGpuOption = Annotated[
    str | None,
    typer.Option(
        metavar="N|auto",
        help="Trials at once in each process on a GPU; auto finds the number that finishes most an hour.",
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
        " s3://bucket/prefix, gs://bucket/prefix or none. By default where the study says, or a folder beside"
        " the storage."
        " Several machines need one that all of them reach.",
    ),
]
OpsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ops",
        metavar="FILE.py|MODULE",
        help="What defines the network's ops of your own, such as the study's file: it is run. Again"
        " for more.",
    ),
]
ChangedOpsOption = Annotated[
    bool, typer.Option("--changed-ops", help="Also if ops of your own changed since the training.")
]
StudyOption = Annotated[
    str | None,
    typer.Option("--study", help="A study's name, or its file. Needed where the storage has several."),
]
StudyArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="STUDY",
        help="A study's name, or its file; or give it by --study. Needed where the storage has several.",
    ),
]


def named_study(argument: str | None, option: str | None) -> str | None:
    """Return the study that a command is given, as an argument or by ``--study``; ``None`` for neither.

    Raises:
        UserError: If both are given and differ.
    """
    if argument is not None and option not in (None, argument):
        raise UserError(f"two studies are given, {argument} and --study {option}: give one")
    return argument if option is None else option
