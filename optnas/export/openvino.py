"""OpenVINO's intermediate representation, for Intel's CPUs, GPUs and NPUs; made of the ONNX graph."""

from __future__ import annotations

import functools
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from optnas.export.format import Call, Default, Format, Run, array_call, as_arrays, quoted
from optnas.export.onnx import Onnx
from optnas.export.traced import CannotExport, Traced, one_reason, quietly

__all__ = ["PRECISION", "OpenVino", "core"]

PRECISION = {"INFERENCE_PRECISION_HINT": "f32"}
"""Settings without which it computes in bfloat16 or float16 where the device can; no file can hold them."""


class OpenVino(Format):
    """OpenVINO: a graph in ``.xml`` and its weights in ``.bin`` beside it."""

    name = "openvino"
    suffix = ".xml"
    packages = (*Onnx.packages, "openvino")
    extra = "export,openvino"
    quantizes = True
    takes = (
        "OpenVINO takes what ONNX takes, and computes in float32 what the network does in float64: tables"
        " with times of the day need another format"
    )

    def content(self, traced: Traced) -> dict[str, bytes]:
        return self.converted(Onnx().content(traced)[Onnx.suffix])

    def converted(self, graph: bytes) -> dict[str, bytes]:
        """Return the files that OpenVINO makes of an ONNX graph.

        Raises:
            CannotExport: If it does not take it.
        """
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "graph.onnx", Path(folder) / "graph.xml"
            source.write_bytes(graph)
            try:
                with quietly():
                    model = core().read_model(str(source))
                    _name_ends_alone(model, graph)
                    _library().save_model(model, target, compress_to_fp16=False)
            except Exception as error:
                raise CannotExport(f"OpenVINO cannot express the network: {one_reason(error)}") from error
            return {".xml": target.read_bytes(), ".bin": target.with_suffix(".bin").read_bytes()}

    def version(self, path: Path) -> str:
        return f"IR of OpenVINO {_library().get_version().split('-')[0]}"

    def runner(self, path: Path, traced: Traced) -> Run:
        return _run(_compiled(path, PRECISION), traced)

    def by_default(self, path: Path, traced: Traced) -> Default | None:
        compiled = _compiled(path, {})
        precision = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        return Default(
            _run(compiled, traced), precision, f'compile_model("model.xml", "CPU", {json.dumps(PRECISION)})'
        )

    def taken(self, path: Path, names: Sequence[str]) -> list[str]:
        kept = {name for port in core().read_model(str(path)).inputs for name in port.names}
        return [name for name in names if name in kept]

    def code(self, call: Call) -> tuple[list[str], list[str]]:
        return ["import openvino"], [
            f'compiled = openvino.Core().compile_model({quoted(call.file)}, "CPU", {json.dumps(PRECISION)})',
            "found = compiled(inputs)",
            *array_call(call, "[found[port] for port in compiled.outputs]"),
        ]


@functools.cache
def core() -> Any:
    """Return OpenVINO's core, one for the process and never deleted.

    The plugin for CPUs puts a stack for signals of its own in place of the one before, and puts that back
    when its core is deleted. Two cores that are not deleted in the opposite order leave a stack that is no
    longer there, and the next signal, such as Ctrl-C, ends the process by a segmentation fault.
    """
    return _library().Core()


@functools.cache
def _library() -> Any:
    """Import OpenVINO, which reports that to its makers where it finds its package for that.

    It does so by forking the process, and so does its ``convert_model``, which is not used here.
    """
    name = "openvino_telemetry"
    before = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
    return openvino


def _name_ends_alone(model: Any, graph: bytes) -> None:
    """Leave names to the graph's inputs and outputs: a tensor that OpenVINO merges with one names it, too."""
    import onnx

    told = onnx.load_from_string(graph).graph
    ends = {each.name for each in (*told.input, *told.output)}
    for node in model.get_ordered_ops():
        for port in node.outputs():
            tensor = port.get_tensor()
            if not tensor.names <= ends:
                tensor.set_names(tensor.names & ends)


def _compiled(path: Path, settings: Mapping[str, str]) -> Any:
    """Return what OpenVINO runs, with as many threads as PyTorch has.

    Raises:
        CannotExport: If it does not take the file.
    """
    config = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), **settings}
    try:
        return core().compile_model(str(path), "CPU", config)
    except Exception as error:
        raise CannotExport(f"OpenVINO cannot compile the network: {one_reason(error)}") from error


def _run(compiled: Any, traced: Traced) -> Run:
    kept = {name for port in compiled.inputs for name in port.names}

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        given = dict(zip(traced.input_names, as_arrays(inputs), strict=True))
        found = compiled({name: each for name, each in given.items() if name in kept})
        return [torch.from_numpy(found[port].copy()) for port in compiled.outputs]

    return run
