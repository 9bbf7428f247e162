"""Static quantisation of an ONNX graph to int8, calibrated on training samples."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from optnas.export.format import as_arrays
from optnas.export.traced import CannotExport, one_reason, quietly

__all__ = ["CALIBRATION_SAMPLES", "quantized"]

CALIBRATION_SAMPLES = 512
"""Training samples whose activations set the scales; ranges hardly change from some hundred on."""

# What computes in int8, and what passes int8 on between these. Others, such as those that prepare inputs and
# the states of recurrent layers, stay as they are.
_COMPUTE = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_PASS = ("AveragePool", "Clip", "GlobalAveragePool", "MaxPool", "Relu")


def quantized(graph: bytes, batches: Sequence[dict[str, Tensor]]) -> bytes:
    """Return an ONNX graph in QDQ format: weights of 7 bits per channel, activations uint8.

    Args:
        graph: The graph in floating point.
        batches: Training samples, each input by name.

    Raises:
        CannotExport: If it has nothing that int8 computes.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    found = {node.op_type for node in onnx.load_from_string(graph).graph.node}
    if not found & set(_COMPUTE):
        raise CannotExport(
            "int8 is for convolutions and matrix products, and the network has neither outside of recurrent"
            " layers: leave --quantize away"
        )
    with tempfile.TemporaryDirectory() as folder:
        whole, source, target = (Path(folder) / f"{name}.onnx" for name in ("whole", "prepared", "int8"))
        whole.write_bytes(graph)
        try:
            with quietly():
                # Folds batch norms into convolutions, which have no exact int8 of their own.
                quant_pre_process(whole, source, skip_symbolic_shape=True)
                quantize_static(
                    source,
                    target,
                    _reader(batches),
                    quant_format=QuantFormat.QDQ,
                    op_types_to_quantize=[*_COMPUTE, *_PASS],
                    per_channel=True,
                    # CPUs without VNNI add products of 8 bits in 16, which overflows; with weights of 7 bits
                    # it does not, and the file computes the same everywhere.
                    reduce_range=True,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                )
        except Exception as error:
            raise CannotExport(f"ONNX Runtime cannot quantise the network: {one_reason(error)}") from error
        return _without_unused(onnx.load(target))


def _without_unused(proto: Any) -> bytes:
    """Return a graph without the sets of operators that it does not use: runtimes may not know them."""
    used = {node.domain for node in proto.graph.node} | {""}
    kept = [each for each in proto.opset_import if each.domain in used]
    del proto.opset_import[:]
    proto.opset_import.extend(kept)
    content: bytes = proto.SerializeToString()
    return content


def _reader(batches: Sequence[dict[str, Tensor]]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Yields the batches once, as ONNX Runtime asks for them."""

        def __init__(self) -> None:
            self.batches: Iterator[dict[str, Tensor]] = iter(batches)

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self.batches, None)
            if batch is None:
                return None
            return dict(zip(batch, as_arrays(list(batch.values())), strict=True))

    return Reader()
