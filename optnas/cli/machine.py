"""The command that looks at this machine: doctor."""

from __future__ import annotations

import typer
from rich.text import Text

from optnas.cli.app import RUN_ERROR, app, out
from optnas.cli.options import StorageOption
from optnas.storages.opening import DEFAULT_STORAGE

__all__: list[str] = []


@app.command()
def doctor(storage: StorageOption = DEFAULT_STORAGE) -> None:
    """Tell what this machine has: versions, devices, threads, and how well the storage serves workers.

    [dim]Examples:[/]

      optnas doctor

      optnas doctor --storage postgresql://user:password@host/database
    """
    from optnas.run.doctor import examine

    found = examine(storage)
    for what, answer, well in found:
        mark = ("✓", "green") if well else ("✗", "red")
        out.print(Text.assemble(mark, f" {what:<17} {answer}"), soft_wrap=True)
    if not all(well for _, _, well in found):
        raise typer.Exit(RUN_ERROR)
