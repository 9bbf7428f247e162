"""The command ``optnas predict``: predictions for a file, a folder or a stream, a piece at a time, as CSV."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from optnas.data.csv_texts import STANDARD_INPUT
from optnas.data.schemas.schema import Piece, UnfitSample
from optnas.data.schemas.table import UnseenCategories, joined_unseen
from optnas.errors import UserError, shortened
from optnas.files import replacing_file
from optnas.interrupts.signals import stop_on_signals
from optnas.run.files import define_ops
from optnas.winner.model import Model, load

__all__ = ["STREAM", "predict_command", "predictions_of"]

STREAM = Path("-")
"""Name that stands for standard input, or standard output, in place of a file."""

# Samples that are read at once; they go through the network in smaller batches.
_PIECE = 4096


def predict_command(
    folder: Path,
    given: Path,
    out: Path = STREAM,
    *,
    with_input: bool,
    console: Console,
    ops: Sequence[str] = (),
    changed_ops: bool = False,
) -> None:
    """Write the predictions of the network in ``folder`` for a file or a folder as CSV.

    Args:
        folder: Folder of the trained network.
        given: File or folder of samples; :data:`STREAM` for standard input.
        out: The file to write; :data:`STREAM` for standard output.
        with_input: Whether the columns of a table stand before its predictions.
        console: Console for the progress; standard error.
        ops: Files and modules that define ops of one's own.
        changed_ops: Whether these may differ from those that were trained.

    Raises:
        UserError: If something cannot be read, predicted or written; ``out`` is as before then.
        KeyboardInterrupt: If it is stopped; likewise.
    """
    if STREAM not in (given, out) and out.exists() and given.exists() and out.samefile(given):
        raise UserError(f"--out {out} is the input itself: give another file")
    define_ops(ops)
    model = load(folder, changed_ops=changed_ops)
    count = 0
    # A program that reads the predictions may write to the same terminal.
    bar = console.is_terminal and (out != STREAM or _to_file(sys.stdout))
    with stop_on_signals(), _opened(out) as file, _progress(console, shown=bar) as told:
        for found, share in predictions_of(model, given, with_input=with_input):
            found.to_csv(file, index=False, header=count == 0, lineterminator="\n")
            file.flush()  # what reads a pipe need not wait for the rest
            count += len(found)
            told(count, share)
    if out != STREAM:
        console.print(f"Wrote {count:,} predictions to {out}.")


def predictions_of(
    model: Model, path: Path, *, with_input: bool = False
) -> Iterator[tuple[Any, float | None]]:
    """Yield the predictions for a file in order, as pandas DataFrames, and the share of it that is done.

    Categories that training has not seen are warned of at the end, a warning for each column.

    Args:
        model: The trained network.
        path: File or folder of samples; :data:`STREAM` for standard input, whose share is ``None``.
        with_input: Whether the columns of a table stand before its predictions.

    Raises:
        UserError: If something cannot be read or predicted; the message names the place.
    """
    unseen: list[UnseenCategories] = []
    name, schema = STANDARD_INPUT if path == STREAM else str(path), model.schema
    pieces = (
        schema.read_stream(_standard_input(), _PIECE) if path == STREAM else schema.read_file(path, _PIECE)
    )
    while True:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                piece = next(pieces, None)
                found = None if piece is None else _table(_predicted(model, piece, name), piece, with_input)
            except UserError as error:
                message = shortened(str(error))
                raise UserError(message if name in message else f"{name}: {message}") from None
            except OSError as error:
                if path != STREAM:
                    raise
                raise UserError(f"{name} cannot be read: {error.strerror or error}") from None
        for each in caught:
            if isinstance(each.message, UnseenCategories):
                unseen.append(each.message)
            else:
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
        if piece is None:
            break
        yield found, piece.share
    for joined in joined_unseen(unseen):
        warnings.warn(joined, stacklevel=2)


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise UserError(f"{STANDARD_INPUT} is closed: give the path of a file")
    return sys.stdin.buffer


def _predicted(model: Model, piece: Piece, name: str) -> Any:
    """Return the predictions for a piece; an error names the place in the file or stream ``name``."""
    try:
        return model.predict(piece.given)
    except UnfitSample as error:
        raise error.at(f"{name}, {piece.where(error.place)}") from None


def _table(found: Any, piece: Piece, with_input: bool) -> Any:
    """Return predictions as a pandas DataFrame, beside what tells which samples they are."""
    import pandas

    table = _columns(found)
    before = [piece.named] if piece.named is not None else []
    if with_input:
        if piece.carried is None:
            raise UserError("--with-input is for tables: these samples have no columns to carry")
        before.append(piece.carried)
    if not before:
        return table
    beside = pandas.concat([each.reset_index(drop=True) for each in before], axis=1)
    # Of rows that have what is predicted as well.
    taken = set(beside.columns)
    table = table.rename(columns={name: f"{name} (predicted)" for name in table.columns if name in taken})
    return pandas.concat([beside, table], axis=1)


def _columns(found: Any) -> Any:
    """Return predictions as the columns of a pandas DataFrame, a row for each sample.

    Raises:
        UserError: If they are too many numbers for each sample.
    """
    import pandas

    if isinstance(found, pandas.DataFrame):
        # Of the digits of float64 the network has half.
        doubles = found.select_dtypes("float64").columns
        return found.astype(dict.fromkeys(doubles, np.float32))
    if isinstance(found, Mapping | tuple):
        each = found.items() if isinstance(found, Mapping) else enumerate(found)
        tables = [_columns(value).rename(columns=lambda c, n=name: f"{n}: {c}") for name, value in each]
        return pandas.concat(tables, axis=1)
    if isinstance(found, np.ndarray):
        if found.ndim > 2:
            raise UserError(
                f"predictions are arrays of shape (samples, {', '.join(map(str, found.shape[1:]))}), which no"
                " table holds; predict in Python by optnas.load(folder).predict(…)"
            )
        values = found[:, None] if found.ndim == 1 else found
        values = values.astype(np.float32) if values.dtype == np.float64 else values
        several = values.shape[1] > 1
        return pandas.DataFrame(
            values, columns=[f"output {i}" if several else "output" for i in range(values.shape[1])]
        )
    return pandas.DataFrame({"prediction": [_cell(each) for each in found]})


def _cell(answer: Any) -> Any:
    """Return an answer as a cell of a table: a table of its own, such as boxes, or a list as JSON."""
    if hasattr(answer, "to_json"):
        return answer.to_json(orient="records", force_ascii=False)
    return json.dumps(answer, ensure_ascii=False) if isinstance(answer, list) else answer


@contextlib.contextmanager
def _opened(out: Path) -> Iterator[TextIO]:
    if out == STREAM:
        yield sys.stdout
        return
    with replacing_file(out) as file:
        yield file


def _to_file(stream: TextIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):  # it has no number
        return False


@contextlib.contextmanager
def _progress(console: Console, *, shown: bool) -> Iterator[Any]:
    """Show how far it is, where someone looks; yield the function to tell it."""
    progress = Progress(
        BarColumn(bar_width=36),
        TextColumn("{task.fields[count]:,} predicted"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not shown,
    )
    bar = progress.add_task("", total=1.0, count=0)
    with progress:
        yield lambda count, share: progress.update(bar, total=share and 1.0, completed=share, count=count)
