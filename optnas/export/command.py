"""The command ``optnas export``: write a trained network in a format, and compare it with PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from optnas.errors import UserError
from optnas.export.card import add_to_card, gain_told, tensor_text
from optnas.export.export import BATCHES, Exported, Int8, check_quantizes, export
from optnas.export.format import Format
from optnas.export.registry import format_named
from optnas.export.samples import Samples, made_up, of_part
from optnas.export.traced import CannotExport
from optnas.reports.numbers import short
from optnas.run.files import define_ops, load_study
from optnas.run.notes import data_is_known
from optnas.tasks import Task
from optnas.winner.model import Model, load
from optnas.winner.names import EXPORTS, WEIGHTS, inside

__all__ = ["export_command", "lines", "metrics_table"]

# As many as the batch whose latency is measured, and enough that rare branches of a function are met.
_MADE_UP = 256


def export_command(
    run: Path,
    name: str,
    to: Path | None,
    *,
    quantize: str | None = None,
    data: str | None = None,
    ops: Sequence[str] = (),
    changed_ops: bool = False,
) -> Exported:
    """Export the network in the folder ``run``, and add to its model card how the file is used.

    Args:
        run: A folder of ``optnas train``.
        name: The name of the format.
        to: The file to write; by default one in the folder's ``exported``.
        quantize: ``int8`` or ``None``.
        data: The study file that the network is from, for samples to compare on and to calibrate with.
        ops: Files and modules that define ops of one's own.
        changed_ops: Whether ops of one's own may differ from those that were trained.

    Raises:
        UserError: If an option does not fit, or the network cannot be exported; says why.
    """
    form = format_named(name)
    if quantize not in (None, "int8"):
        raise UserError(f"--quantize {quantize}: there is int8")
    if quantize is not None:
        check_quantizes(form)
    if quantize is not None and data is None:
        raise UserError("--quantize int8 is calibrated on training samples: give the study's file by --data")
    form.check_installed()
    task = None if data is None else _task(data)  # first, as it may define ops of one's own
    define_ops(ops)
    model = load(run, changed_ops=changed_ops)
    samples = _samples(model, task, data)
    path = _path(run, form, to, quantize)
    try:
        done = export(model, form, path, samples, quantize_for=task if quantize else None)
    except CannotExport as error:
        raise CannotExport(f"{run}: {error}" + ("" if quantize else f"; {form.takes}")) from None
    add_to_card(run, model, form, done)
    return done


def _task(file: str) -> Task:
    data_is_known()
    study = load_study(file)
    if study.task is None:
        raise UserError(f"study {study.name!r} evaluates by a function of its own: it has no data to use")
    return study.task


def _samples(model: Model, task: Task | None, file: str | None) -> Samples:
    """Return raw samples: of the study's validation part, or made up.

    Raises:
        UserError: If the study's data is not what the network was trained on.
    """
    if task is None:
        return made_up(model.schema, _MADE_UP)
    found, trained = task.data.schema, model.schema
    if (found.kind, found.shape) != (trained.kind, trained.shape):
        raise UserError(
            f"{file}: its data is {found.kind} {found.shape}, and the network was trained on"
            f" {trained.kind} {trained.shape}: give the study that it is from"
        )
    return of_part(task.data, "validation")


def _path(run: Path, form: Format, to: Path | None, quantize: str | None) -> Path:
    if to is None:
        name = "model" if quantize is None else f"model.{quantize}"
        within = f"{EXPORTS}/{form.name}" if form.in_folder else EXPORTS
        inside(run, within)
        path = inside(run, f"{within}/{name}{form.suffix}")
        folder = path.parent
    else:
        path = to / f"model{form.suffix}" if form.in_folder and to.suffix != form.suffix else to
        folder = path.parent
        if path.is_dir():
            raise UserError(f"{path} is a folder: name a file in it, such as {path / f'model{form.suffix}'}")
        if path.suffix != form.suffix:
            raise UserError(f"a file of the format {form.name} ends in {form.suffix}: {path} does not")
        weights = path.with_suffix(".safetensors").resolve() == (run / WEIGHTS).resolve()
        if weights and (form.in_folder or path.suffix == ".safetensors"):
            raise UserError(f"{run / WEIGHTS} would be written over: give another place by --out")
    code = path.with_suffix(".py")
    if path.suffix == ".safetensors" and code.exists():
        raise UserError(f"{path} has the weights of {code}: give another place by --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be made: {error.strerror}") from None
    return path


def lines(done: Exported) -> list[str]:
    """Return what was written, and how it compares with PyTorch, in words."""
    files = " and ".join(map(str, done.files))
    told = [f"Wrote {files}: {done.format} ({done.version}), {done.bytes:,} bytes."]
    for what, each in (("takes", done.inputs), ("returns", done.outputs)):
        told.append(
            f"It {what} " + ", ".join(f"{name}: {tensor_text(figures)}" for name, figures in each.items())
        )
    told.append(f"These are {done.unread.replace('``', '')}.")
    if done.difference is None:
        told.append("It has no graph to run: whoever builds the network checks it.")
        return told
    share = f"differs from PyTorch by {done.difference:.2g} at most on {done.compared_on}"
    told.append(f"It {share} (of outputs above 1 as a share of the largest).")
    if done.by_default is not None:
        usual = done.by_default
        told.append(
            f"Run it by {usual.instead}, as was done here: by default it computes in the precision that a"
            f" device is fastest in, here {usual.precision}, and differs by {usual.difference:.2g}."
        )
    for size in BATCHES:
        if size in done.latency_ms:
            each = done.latency_ms[size]
            told.append(
                f"A batch of {size} takes {each['file']:.3g} ms, in PyTorch {each['pytorch']:.3g} ms"
                f" (median on {done.measured_on}, with the preparation of inputs)."
            )
    if done.int8 is not None:
        told.append(f"Scales are of {done.int8.calibrated_on}.")
        told.append(gain_told(done, done.int8))
    return told


def metrics_table(costs: Int8) -> Table:
    """Return the table of what int8 costs."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("part", "metric", "PyTorch", "int8"):
        table.add_column(name, justify="left" if name in ("part", "metric") else "right")
    for part, metrics in costs.before.items():
        for name, value in metrics.items():
            table.add_row(part, name, short(value), short(costs.after[part][name]))
    return table
