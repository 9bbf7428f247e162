"""Export a trained network to a file, run that file, and compare it with PyTorch."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from optnas.data.trees import Tree, leaves, mapped
from optnas.errors import UserError
from optnas.export.format import Format, Run
from optnas.export.onnx import Onnx
from optnas.export.openvino import OpenVino
from optnas.export.quantize import CALIBRATION_SAMPLES, quantized
from optnas.export.samples import RawBatches, Samples, as_exported, largest_difference, of_part
from optnas.export.traced import CannotExport, Traced
from optnas.files import replace_file
from optnas.measure.latency import Timing, latency
from optnas.measure.machine import alone, processor
from optnas.measure.measuring import Measuring
from optnas.measure.rounds import Round, quiet_rounds
from optnas.tasks import Task
from optnas.winner.model import Model
from optnas.winner.outputs import unscaled

__all__ = ["BATCHES", "TOLERANCE", "ByDefault", "Exported", "Int8", "check_quantizes", "export"]

TOLERANCE = 1e-4
"""The largest accepted difference between the file's outputs and PyTorch's, relative to outputs above 1."""

BATCHES = (1, 64)
"""The sizes of batches whose latency is measured."""

_CALIBRATED_AT_ONCE = 32


@dataclasses.dataclass(frozen=True)
class Int8:
    """Metrics before and after quantization to int8.

    Attributes:
        calibrated_on: What the scales are from, in words.
        before: The task's metrics of the network in PyTorch, by part of the data.
        after: Those of the file.
        float_bytes: The size of the same format's files in floating point.
        float_ms: By the size of the batch the median milliseconds of these.
    """

    calibrated_on: str
    before: Mapping[str, Mapping[str, float]]
    after: Mapping[str, Mapping[str, float]]
    float_bytes: int
    float_ms: Mapping[int, float]


@dataclasses.dataclass(frozen=True)
class ByDefault:
    """A file under its runtime's own settings.

    Attributes:
        precision: What it computes in, such as ``bf16``.
        difference: What it then differs from PyTorch by, as :attr:`Exported.difference`.
        instead: How to have it compute as it was checked.
    """

    precision: str
    difference: float
    instead: str


@dataclasses.dataclass(frozen=True)
class Exported:
    """A written file, and how it compares with the network in PyTorch.

    Attributes:
        format: The name of its format.
        version: Which version of the format it is.
        files: The files, the main one first.
        bytes: Their sizes together.
        inputs: Type and shape of each input by name; the size of the batch is ``None``.
        outputs: Those of each output.
        unread: What the outputs are, and how predictions are read out of them, in words.
        difference: The largest difference of an output from PyTorch's, as a share of the largest output where
            that is above 1; ``None`` for a format that has no graph.
        compared_on: The samples that this is about, in words.
        latency_ms: By the size of the batch the median milliseconds of the file and of PyTorch, from what
            users have to what the file returns.
        threads: The threads that both computed with for these.
        int8: What int8 costs; ``None`` for a file in floating point.
        by_default: What the file's runtime does unless told otherwise; ``None`` if that is no matter.
        structure: The names of ``inputs`` and ``outputs`` as PyTorch has them: one, by name, or in a tuple.
        processor: The CPU that latencies were measured on.
    """

    format: str
    version: str
    files: tuple[Path, ...]
    bytes: int
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    unread: str
    difference: float | None
    compared_on: str
    latency_ms: Mapping[int, Mapping[str, float]]
    threads: int
    int8: Int8 | None = None
    by_default: ByDefault | None = None
    structure: Mapping[str, Tree] = dataclasses.field(default_factory=dict)
    processor: str = ""

    @property
    def measured_on(self) -> str:
        """The hardware and the threads that latencies were measured with, in words."""
        return f"{self.processor}, {self.threads} thread{'s' * (self.threads > 1)}"

    def as_record(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {**dataclasses.asdict(self), "files": [str(path) for path in self.files]}


def export(
    model: Model,
    form: Format,
    path: Path,
    samples: Samples,
    *,
    quantize_for: Task | None = None,
    timing: Timing | None = Timing(),  # noqa: B008 - immutable
) -> Exported:
    """Write a trained network in a format, and compare the file with PyTorch on raw samples.

    What the file takes is what users have, as the model's schema makes tensors of it; see
    :func:`~optnas.export.samples.as_exported` for their types. The file is written only if it agrees with
    PyTorch (:data:`TOLERANCE`); int8 has no such bound, and what it costs is measured instead.

    Args:
        model: The network.
        form: The format.
        path: The main file to write.
        samples: Raw samples to trace with and to compare on.
        quantize_for: For int8, the task with the data that it is calibrated and measured on.
        timing: How long to measure latencies; ``None`` for not at all.

    Raises:
        UserError: If a package is missing, the format cannot express the network, the file differs from
            PyTorch, or it cannot be written.
    """
    form.check_installed()
    if quantize_for is not None:
        check_quantizes(form)
    samples = as_exported(model, samples)
    traced = Traced(model, samples.inputs)
    calibrated = ""
    if quantize_for is None:
        content = form.content(traced)
    else:
        content, calibrated = _int8_content(form, traced, quantize_for)
    with tempfile.TemporaryDirectory() as folder:
        trial = _placed(form, content, folder)
        run, version, usual = form.runner(trial, traced), form.version(trial), form.by_default(trial, traced)
        difference = None if run is None else _difference(run, traced)
        if difference is not None and quantize_for is None and not difference <= TOLERANCE:
            raise CannotExport(
                f"the {form.name} file would differ from PyTorch by {difference:.2g} on {samples.told},"
                f" more than {TOLERANCE:g}: nothing is written"
            )
        measured = _latencies(form, trial, traced, timing)
        by_default = None
        if usual is not None:
            by_default = ByDefault(usual.precision, _difference(usual.run, traced), usual.instead)
        costs = None
        if quantize_for is not None and run is not None:
            costs = _costs(form, run, traced, quantize_for, calibrated, timing)
    files = {
        path.with_suffix(suffix) if suffix != form.suffix else path: each for suffix, each in content.items()
    }
    for name, each in files.items():
        replace_file(name, each)
    return Exported(
        form.name,
        version,
        tuple(files),
        sum(map(len, files.values())),
        traced.inputs,
        traced.outputs,
        model.answer.unread(),
        difference,
        samples.told,
        measured,
        Measuring().threads,
        costs,
        by_default,
        {"inputs": traced.input_tree, "outputs": traced.output_tree},
        processor(),
    )


def check_quantizes(form: Format) -> None:
    """Raise :class:`UserError` if a format has no int8."""
    if not form.quantizes:
        raise UserError(f"--quantize int8 is for onnx and openvino, not for {form.name}")


def _placed(form: Format, content: Mapping[str, bytes], folder: str) -> Path:
    """Write files into a folder to be run there, and return the main one."""
    path = Path(folder) / f"model{form.suffix}"
    for suffix, part in content.items():
        path.with_suffix(suffix).write_bytes(part)
    return path


def _difference(run: Run, traced: Traced) -> float:
    """Return the largest difference from PyTorch on all samples, and on one alone."""
    alone = traced.batch(1)
    with torch.inference_mode():
        expected = list(leaves(traced.model(alone)))
    return max(
        largest_difference(run(list(leaves(traced.samples))), traced.expected),
        largest_difference(run(list(leaves(alone))), expected),
    )


def _latencies(
    form: Format, path: Path, traced: Traced, timing: Timing | None
) -> dict[int, dict[str, float]]:
    """Return the milliseconds of a written file and of PyTorch, measured as the latencies of a study are."""
    if timing is None:
        return {}
    with alone(Measuring().threads):
        run = form.runner(path, traced)  # one of its own, as runtimes take the number of threads when made
    if run is None:
        return {}
    batches = {size: traced.batch(size) for size in BATCHES}
    calls: dict[tuple[int, str], Callable[[], object]] = {}
    for size, batch in batches.items():
        calls[size, "file"] = partial(run, list(leaves(batch)))
        calls[size, "pytorch"] = partial(traced.model, batch)

    def once(names: Collection[tuple[int, str]]) -> dict[tuple[int, str], Round]:
        found = {}
        with alone(Measuring().threads), torch.inference_mode():
            for name in names:
                took = latency(calls[name], torch.device("cpu"), timing)
                found[name] = Round(took.median * 1e3, took.spread * 1e3, took.quiet)
        return found

    measured = quiet_rounds(once, calls)
    return {size: {what: measured[size, what] for what in ("file", "pytorch")} for size in BATCHES}


def _int8_content(form: Format, traced: Traced, task: Task) -> tuple[dict[str, bytes], str]:
    """Return the files in int8, and what they are calibrated on."""
    training = of_part(task.data, "train", CALIBRATION_SAMPLES)
    like = [each.dtype for each in leaves(traced.samples)]
    flat = [each.to(dtype) for each, dtype in zip(leaves(training.inputs), like, strict=True)]
    batches = [
        dict(zip(traced.input_names, (each[at : at + _CALIBRATED_AT_ONCE] for each in flat), strict=True))
        for at in range(0, len(flat[0]), _CALIBRATED_AT_ONCE)
    ]
    graph = quantized(Onnx().content(traced)[Onnx.suffix], batches)
    content = form.converted(graph) if isinstance(form, OpenVino) else {form.suffix: graph}
    return content, training.told


def _costs(
    form: Format, run: Run, traced: Traced, task: Task, calibrated: str, timing: Timing | None
) -> Int8:
    """Return the task's metrics of PyTorch and of a file, on the validation part and the test part.

    With them stand the size and the latency of the same file in floating point.
    """
    exact, rounded = _Unscaled(traced, None), _Unscaled(traced, run)
    before, after = {}, {}
    for part in ("validation", "test"):
        batches = RawBatches(task.data, part)
        if len(batches) == 0:
            continue
        with torch.inference_mode():
            before[part], after[part] = (task.evaluate(each, batches) for each in (exact, rounded))
    content = form.content(traced)
    with tempfile.TemporaryDirectory() as folder:
        measured = _latencies(form, _placed(form, content, folder), traced, timing)
    return Int8(
        calibrated,
        before,
        after,
        sum(map(len, content.values())),
        {size: each["file"] for size, each in measured.items()},
    )


class _Unscaled(nn.Module):
    """Module that takes raw inputs and puts out what the network does before outputs are scaled.

    Args:
        traced: The network.
        run: What computes it; ``None`` for PyTorch.
    """

    def __init__(self, traced: Traced, run: Run | None) -> None:
        super().__init__()
        self.model = traced.model
        self.run = run
        with torch.inference_mode():
            self.like = traced.model(traced.batch(1))
        self.dtypes = [each.dtype for each in leaves(traced.samples)]
        self.eval()

    def forward(self, x: Tree) -> Tree:
        if self.run is None:
            return self.model[1](self.model[0](x))
        given = [each.to(dtype) for each, dtype in zip(leaves(x), self.dtypes, strict=True)]
        found = iter(self.run(given))
        return unscaled(self.model[2], mapped(lambda _: next(found), self.like))
