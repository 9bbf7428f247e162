"""PyTorch's own exported programs, ``.pt2``: a graph and weights that need no code of optnas."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from optnas.answers import answer_record
from optnas.data.schemas import schema_record
from optnas.data.trees import Tree, leaves, mapped
from optnas.export.format import Call, Format, Run, quoted, torch_call
from optnas.export.traced import CannotExport, Traced, one_reason, quietly

__all__ = ["TorchExport"]


class TorchExport(Format):
    """``torch.export``: run by PyTorch in Python, or compiled by AOTInductor for C++."""

    name = "torch-export"
    suffix = ".pt2"
    takes = (
        ".pt2 takes networks whose graph is the same for all inputs; it is read by the version of PyTorch"
        " that wrote it and by later ones"
    )

    def content(self, traced: Traced) -> dict[str, bytes]:
        program, buffer = traced.program, io.BytesIO()
        told = {
            "optnas.json": json.dumps(
                {
                    "inputs": traced.inputs,
                    "outputs": traced.outputs,
                    "input": schema_record(traced.model.schema),
                    "answer": answer_record(traced.model.answer),
                },
                ensure_ascii=False,
            )
        }
        try:
            with quietly():
                torch.export.save(program, buffer, extra_files=told)
        except Exception as error:
            raise CannotExport(f"torch.export cannot write the network: {one_reason(error)}") from error
        return {self.suffix: buffer.getvalue()}

    def version(self, path: Path) -> str:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("archive_version")]
            archive_version = archive.read(names[0]).decode().strip() if names else "unknown"
        return f"archive version {archive_version}, of PyTorch {torch.__version__}"

    def runner(self, path: Path, traced: Traced) -> Run:
        with quietly():
            module = torch.export.load(path).module()

        def run(inputs: Sequence[Tensor]) -> list[Tensor]:
            with torch.inference_mode():
                return list(leaves(module(_tree(inputs, traced.samples))))

        return run

    def code(self, call: Call) -> tuple[list[str], list[str]]:
        load = f"module = torch.export.load({quoted(call.file)}).module()"
        return ["import torch"], [load, *torch_call(call, "module({})")]


def _tree(flat: Sequence[Tensor], like: Tree) -> Tree:
    """Return tensors in the structure of ``like``."""
    each = iter(flat)
    return mapped(lambda _: next(each), like)
