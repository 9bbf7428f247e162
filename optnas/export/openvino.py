"""OpenVINO's intermediate representation, for Intel's CPUs, GPUs and NPUs; made of the ONNX graph."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from optnas.export.format import Format, Run, as_arrays
from optnas.export.onnx import Onnx
from optnas.export.traced import CannotExport, Traced, one_reason, quietly

__all__ = ["OpenVino"]


class OpenVino(Format):
    """OpenVINO: a graph in ``.xml`` and its weights in ``.bin`` beside it."""

    name = "openvino"
    suffix = ".xml"
    packages = (*Onnx.packages, "openvino")
    extra = "export,openvino"
    quantizes = True
    takes = "OpenVINO takes what ONNX takes, and computes in float32 what the network does in float64"

    def content(self, traced: Traced) -> dict[str, bytes]:
        return self.converted(Onnx().content(traced)[Onnx.suffix])

    def converted(self, graph: bytes) -> dict[str, bytes]:
        """Return the files that OpenVINO makes of an ONNX graph.

        Raises:
            CannotExport: If it does not take it.
        """
        import openvino

        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "graph.onnx", Path(folder) / "graph.xml"
            source.write_bytes(graph)
            try:
                with quietly():
                    openvino.save_model(openvino.convert_model(source), target, compress_to_fp16=False)
            except Exception as error:
                raise CannotExport(f"OpenVINO cannot express the network: {one_reason(error)}") from error
            return {".xml": target.read_bytes(), ".bin": target.with_suffix(".bin").read_bytes()}

    def version(self, path: Path) -> str:
        import openvino

        return f"IR of OpenVINO {openvino.get_version().split('-')[0]}"

    def runner(self, path: Path, traced: Traced) -> Run:
        import openvino

        core = openvino.Core()
        # Else it computes in bfloat16 where the CPU can.
        settings = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
        try:
            compiled = core.compile_model(str(path), "CPU", settings)
        except Exception as error:
            raise CannotExport(f"OpenVINO cannot compile the network: {one_reason(error)}") from error
        kept = {name for port in compiled.inputs for name in port.names}

        def run(inputs: Sequence[Tensor]) -> list[Tensor]:
            given = dict(zip(traced.input_names, as_arrays(inputs), strict=True))
            found = compiled({name: each for name, each in given.items() if name in kept})
            return [torch.from_numpy(found[port].copy()) for port in compiled.outputs]

        return run
