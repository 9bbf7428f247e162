"""The formats by name."""

from __future__ import annotations

from optnas.errors import UserError, nearest
from optnas.export.format import Format
from optnas.export.onnx import Onnx
from optnas.export.openvino import OpenVino
from optnas.export.python.python_format import PythonSource
from optnas.export.safetensors import Safetensors
from optnas.export.torch_export import TorchExport

__all__ = ["FORMATS", "format_named"]

FORMATS: dict[str, Format] = {
    each.name: each for each in (Onnx(), TorchExport(), OpenVino(), PythonSource(), Safetensors())
}


def format_named(name: str) -> Format:
    """Return the format of that name.

    Raises:
        UserError: If there is none.
    """
    if name not in FORMATS:
        raise UserError(f"there is no format {name!r}: {nearest(name, FORMATS)}")
    return FORMATS[name]
