"""The commands that say what a search has found: explain."""

from __future__ import annotations

from typing import Annotated

import typer

from optnas.cli.app import app, out
from optnas.cli.options import StorageOption, StudyArgument
from optnas.shown import write
from optnas.storages.opening import DEFAULT_STORAGE

__all__: list[str] = []


@app.command()
def explain(
    study: StudyArgument = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            help="An objective, or a cost or metric in the trials' records; again for more. By default all"
            " objectives."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Say which choices matter for each objective, which interact, and what each changes at equal cost.

    [dim]Examples:[/]

      optnas explain

      optnas explain digits --objective accuracy --objective latency_ms
    """
    from optnas.reports import records
    from optnas.reports.explain_view import all_views
    from optnas.reports.explanation import explain
    from optnas.reports.front_table import objective_names
    from optnas.run.lookup import find_study

    found = find_study(storage, study)
    told = [explain(found, name) for name in objective or objective_names(found)]
    if as_json:
        write(records.as_json([each.as_record() for each in told]))
    else:
        out.print(*all_views(told, out.width), sep="\n")
