"""The command that looks at a CSV file: data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optnas.cli.app import app, out

__all__: list[str] = []


@app.command()
def data(
    file: Annotated[Path, typer.Argument(help="The CSV file.")],
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    drop: Annotated[list[str] | None, typer.Option(help="A column to leave out; may be repeated.")] = None,
    numbers: Annotated[
        list[str] | None, typer.Option(help="A column to take as numbers; may be repeated.")
    ] = None,
    categories: Annotated[
        list[str] | None, typer.Option(help="A column to take as categories; may be repeated.")
    ] = None,
    missing: Annotated[
        list[str] | None, typer.Option(help="A text that means a missing value; may be repeated.")
    ] = None,
    separator: Annotated[str | None, typer.Option(help="The character between columns.")] = None,
) -> None:
    """Show what each column of a CSV file is understood as, and the line of Python to learn from it.

    [dim]Examples:[/]

      optnas data houses.csv

      optnas data houses.csv --target price --drop address
    """
    from optnas.data.column import Reading
    from optnas.data.csv_files import csv_table
    from optnas.data.tabular import Plan
    from optnas.reports.columns import print_columns

    reading = Reading(numbers or (), categories or (), missing=missing or ())
    plan = Plan(file.name, target, drop or (), reading=reading)
    print_columns(csv_table(file, plan, separator=separator), str(file), out)
