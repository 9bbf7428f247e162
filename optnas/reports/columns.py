"""Output of ``optnas data``: how each column of a CSV file is read, and the line of Python that loads it."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from optnas.data.tabular import Tabular
from optnas.data.target_column import Target
from optnas.errors import UserError

__all__ = ["print_columns"]


def print_columns(table: Tabular, file: str, console: Console) -> None:
    """Print a line for each column, what was guessed, and the line of Python that makes this data set.

    Raises:
        UserError: Once the columns are printed, if no data set can be made of them.
    """
    target = None if table.target is None else table.likely()
    console.print(_columns(table, _training_rows(table, target)))
    unusable = [column for column in table.columns if column.kind == "refused"]
    told = [*table.told(target), *(f"column {column.name!r} {column.notes[0]}" for column in unusable)]
    if told:
        console.print("", *(Text(f"- {note}") for note in told), sep="\n")
    if target is None:
        console.print("\nSay which column to predict: --target COLUMN")
        return
    if table.refused:
        console.print(
            Text(f"\nWithout the columns that are refused:\n{_python(table, target, file)}"), soft_wrap=True
        )
    splits = table.splits(target)
    parts = ", ".join(
        f"{len(getattr(splits, part))} for {what}"
        for part, what in (("train", "training"), ("validation", "validation"), ("test", "test"))
    )
    what = f"{len(target.classes)} classes" if target.classes else "values"
    console.print(Text(f"\n{table.rows} samples ({parts}), {splits.train.shape[0]} features"))
    console.print(Text(f"target {table.plan.target!r}: {what}, {target.detail}\n"))
    console.print(Text(_python(table, target, file)), soft_wrap=True)
    if target.classes and table.holds_numbers:
        amounts = table.aim("values")
        console.print(Text(f"or, if they are amounts:\n{_python(table, amounts, file)}"), soft_wrap=True)


def _training_rows(table: Tabular, target: Target | None) -> Any:
    """Return the indices of the training part, on which the features depend; all rows if there is none."""
    try:
        return slice(None) if target is None else table.parts(target)[0]
    except UserError:
        return slice(None)


def _columns(table: Tabular, train: Any) -> Table:
    view = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    view.add_column("column", overflow="fold", max_width=28)
    view.add_column("understood as", overflow="fold")
    view.add_column("missing", justify="right")
    view.add_column("features", justify="right")
    for column in table.columns:
        kind = Text(column.kind, style="red" if column.kind == "refused" else "")
        kind.append(f" ({column.detail})" if column.detail else "")
        name = Text(column.name or "(no name)")
        missing = "–" if column.kind == "refused" else str(column.missing)  # nobody counted them
        view.add_row(name, kind, missing, str(column.features(train)))
    return view


def _python(table: Tabular, target: Target, file: str) -> str:
    """Return the argument of a study that learns from this table."""
    plan, reading = table.plan, table.plan.reading
    given = {
        "drop": [*plan.drop, *table.refused],
        "numbers": list(reading.numbers),
        "categories": list(reading.categories),
        "missing": list(reading.missing),
    }
    options = "".join(f", {name}={value!r}" for name, value in given.items() if value)
    task = "classification" if target.classes else "regression"
    return f"task=tasks.{task}(data.csv({file!r}, target={plan.target!r}{options}))"
