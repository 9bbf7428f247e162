"""The commands that say what a search has found: explain, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optnas.cli.app import app, err, out
from optnas.cli.options import (
    ChangedOpsOption,
    OpsOption,
    StorageOption,
    StudyArgument,
    StudyOption,
    named_study,
)
from optnas.errors import UserError
from optnas.shown import write
from optnas.storages.opening import DEFAULT_STORAGE

__all__: list[str] = []


@app.command()
def explain(
    study: StudyArgument = None,
    named: StudyOption = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            help="An objective, or a cost or metric in the trials' records; again for more. By default all"
            " objectives."
        ),
    ] = None,
    trained: Annotated[
        Path | None,
        typer.Option(
            "--run",
            help="Say instead how a network that optnas train wrote into this folder depends on its parts.",
        ),
    ] = None,
    ops: OpsOption = None,
    changed_ops: ChangedOpsOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Say which choices matter for each objective, which interact, and what each changes at equal cost.

    [dim]Examples:[/]

      optnas explain

      optnas explain digits --objective accuracy --objective latency_ms

      optnas explain studies/digits.py --run runs/digits-17
    """
    from optnas.reports import records
    from optnas.reports.explain_view import all_views
    from optnas.reports.explanation import explain
    from optnas.reports.front_table import objective_names
    from optnas.run.lookup import find_study

    study = named_study(study, named)
    if trained is None and (ops or changed_ops):
        raise UserError("--ops and --changed-ops are for the network of --run")
    if trained is not None:
        from optnas.reports.ablations import sensitivity_view
        from optnas.winner.sensitivity import keep, sensitivity

        parts = sensitivity(study, trained, ops=ops or (), changed_ops=changed_ops)
        if as_json:
            write(records.as_json(parts.as_record()))
        else:
            out.print(sensitivity_view(parts, out.width))
        err.print(keep(parts, trained, storage))
        return
    found = find_study(storage, study)
    told = [explain(found, name) for name in objective or objective_names(found)]
    if as_json:
        write(records.as_json([each.as_record() for each in told]))
    else:
        out.print(*all_views(told, out.width), sep="\n")


@app.command()
def report(
    study: StudyArgument = None,
    named: StudyOption = None,
    to: Annotated[
        Path, typer.Option("--out", "-o", help="The web page to write, one file that needs no other.")
    ] = Path("report.html"),
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Write a PDF beside it as well; needs Chromium or Chrome.")
    ] = False,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Write a report for a colleague: what was searched, what was found, and how to reproduce it.

    Given the study's file, it fits simple models to the data, to compare with.

    [dim]Examples:[/]

      optnas report digits

      optnas report studies/digits.py -o digits.html --pdf
    """
    from optnas.run.reporting import write_report

    study = named_study(study, named)
    for path in write_report(storage, study, to, pdf=pdf):
        err.print(f"Wrote {path}")
