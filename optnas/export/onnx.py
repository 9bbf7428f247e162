"""ONNX: one graph with its weights, for ONNX Runtime and most other runtimes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from optnas.answers import answer_record
from optnas.data.schemas import schema_record
from optnas.export.decompositions import without_adaptive_pooling
from optnas.export.format import Call, Format, Run, array_call, as_arrays, quoted
from optnas.export.traced import CannotExport, Traced, one_reason, quietly

__all__ = ["Onnx", "runner", "session"]

# A file of protocol buffers cannot be larger.
_MOST_BYTES = 2**31


class Onnx(Format):
    """ONNX by ``torch.onnx.export(dynamo=True)``, run by ONNX Runtime."""

    name = "onnx"
    suffix = ".onnx"
    packages = ("onnx", "onnxscript", "onnxruntime")
    extra = "export"
    quantizes = True
    takes = (
        "ONNX takes networks of up to 2 GB whose graph is the same for all inputs; what the version of an"
        " operator set has no operator for is refused"
    )

    def content(self, traced: Traced) -> dict[str, bytes]:
        if self.name not in traced.made:  # other formats are made of it
            traced.made[self.name] = self._graph(traced)
        return {self.suffix: traced.made[self.name]}

    def _graph(self, traced: Traced) -> bytes:
        try:
            with quietly(), torch.no_grad():
                made = torch.onnx.export(
                    without_adaptive_pooling(traced.program),
                    dynamo=True,
                    input_names=traced.input_names,
                    output_names=traced.output_names,
                    verbose=False,
                )
            assert made is not None
            proto = made.model_proto
            if proto.ByteSize() >= _MOST_BYTES:
                raise CannotExport("the network has 2 GB or more, and an ONNX file less: use torch-export")
            _annotate(proto, traced)
            _name_batches(proto)
            content: bytes = proto.SerializeToString()
        except CannotExport:
            raise
        except Exception as error:
            raise CannotExport(f"ONNX cannot express the network: {one_reason(error)}") from error
        return content

    def version(self, path: Path) -> str:
        import onnx

        found = onnx.load(path)
        return ", ".join(f"{each.domain or 'ONNX'} opset {each.version}" for each in found.opset_import)

    def runner(self, path: Path, traced: Traced) -> Run:
        return runner(session(path), traced.input_names)

    def taken(self, path: Path, names: Sequence[str]) -> list[str]:
        import onnx

        kept = {each.name for each in onnx.load(path).graph.input}
        return [name for name in names if name in kept]

    def code(self, call: Call) -> tuple[list[str], list[str]]:
        run = array_call(call, "session.run(None, inputs)")
        return ["import onnxruntime"], [f"session = onnxruntime.InferenceSession({quoted(call.file)})", *run]


def _annotate(proto: Any, traced: Traced) -> None:
    """Write into a file what goes in and what comes out, as JSON, for whoever has the file alone."""
    model = traced.model
    proto.producer_name = "optnas"
    told = {
        "architecture": str(model.record.get("architecture", "")),
        **({"learned": str(model.record["learned"])} if "learned" in model.record else {}),
        "input": json.dumps(schema_record(model.schema), ensure_ascii=False),
        "answer": json.dumps(answer_record(model.answer), ensure_ascii=False),
    }
    for name, text in told.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = f"optnas.{name}", text


def _name_batches(proto: Any) -> None:
    """Call the size of a batch ``batch``, for which PyTorch has a name of its own, such as ``s31``."""
    graph = proto.graph
    name = next(
        (dim.dim_param for each in graph.input if (dim := each.type.tensor_type.shape.dim[0]).dim_param), ""
    )
    if not name:
        return
    for each in (*graph.input, *graph.output, *graph.value_info):
        for dim in each.type.tensor_type.shape.dim:
            if dim.dim_param:  # perhaps a product of it
                dim.dim_param = re.sub(rf"\b{re.escape(name)}\b", "batch", dim.dim_param)


def session(file: Path | bytes) -> Any:
    """Return a session of ONNX Runtime on the CPU, with as many threads as PyTorch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors alone
    return onnxruntime.InferenceSession(
        file if isinstance(file, bytes) else str(file), options, providers=["CPUExecutionProvider"]
    )


def runner(opened: Any, names: Sequence[str]) -> Run:
    """Return what runs a session whose inputs have these names."""
    kept = {each.name for each in opened.get_inputs()}  # one that no output depends on may be gone

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        given = dict(zip(names, as_arrays(inputs), strict=True))
        found = opened.run(None, {name: each for name, each in given.items() if name in kept})
        return [torch.from_numpy(each) for each in found]

    return run
