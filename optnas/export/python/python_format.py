"""Plain PyTorch source as a format of ``optnas export``."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from optnas.data.trees import leaves, mapped
from optnas.export.format import Call, Format, Run, quoted, torch_call
from optnas.export.python.export import Written, run_written, written_network
from optnas.export.traced import CannotExport, Traced
from optnas.winner.ensemble import Ensemble

__all__ = ["PythonSource"]


class PythonSource(Format):
    """``model.py``, plain PyTorch, with its weights beside it: for people who want to own the code."""

    name = "python"
    suffix = ".py"
    in_folder = True
    takes = (
        "python takes networks of optnas's ops, and ops of one's own whose source can stand in another file:"
        " classes and functions that use PyTorch, other packages, and plain constants"
    )

    def content(self, traced: Traced) -> dict[str, bytes]:
        written = self.written(traced)
        header = {"format": "pt", "optnas.schema": traced.schema}
        return {self.suffix: written.text.encode(), ".safetensors": save(dict(written.weights), header)}

    def written(self, traced: Traced) -> Written:
        """Return the code of a network.

        Raises:
            CannotExport: If a part of it has no plain source.
        """
        from optnas.space.parse import parse_tree

        model = traced.model
        record = model.record
        preparation, network, scale = model.children()
        try:
            return written_network(
                parse_tree(record["architecture"]),
                model.schema.shape,
                record["context"],
                (preparation, network, scale),
                title=_title(record),
                about=_about(record, traced),
                users=(model.schema, model.answer),
            )
        except CannotExport as error:
            raise CannotExport(f"no code is written for the network: {error}") from error

    def version(self, path: Path) -> str:
        text = path.read_text(encoding="utf-8")
        classes = [each.name for each in ast.parse(text).body if isinstance(each, ast.ClassDef)]
        lines = text.count("\n")
        return f"class {classes[-1]}, {lines} lines, for PyTorch {torch.__version__.partition('+')[0]}"

    def runner(self, path: Path, traced: Traced) -> Run:
        module = run_written(path)

        def run(inputs: Sequence[Tensor]) -> list[Tensor]:
            each = iter(inputs)
            with torch.inference_mode():
                return list(leaves(module(mapped(lambda _: next(each), traced.samples))))

        return run

    def code(self, call: Call) -> tuple[list[str], list[str]]:
        folder, stem = str(Path(call.file).parent), Path(call.file).stem
        lines = [f"sys.path.insert(0, {quoted(folder)})"]
        # A file may be called what no module is.
        lines.append(f"code = importlib.import_module({quoted(stem)})")
        return ["import importlib", "import sys", "import torch"], [
            *lines,
            "module = code.load()",
            *torch_call(call, "module({})"),
        ]


def _title(record: Mapping[str, Any]) -> str:
    """Return the name of a network's class: that of the study, with the number of the trial."""
    study, trial = record.get("study") or "network", record.get("trial")
    return f"{study}" if trial is None else f"{study} {trial}"


def _about(record: Mapping[str, Any], traced: Traced) -> str:
    """Return the docstring of a network: its study and trial, its inputs and outputs."""
    study, trial = record.get("study"), record.get("trial")
    origin = "A trained network"
    if study is not None:
        origin = (
            f"The network {'that was given' if trial is None else f'of trial {trial}'} in the study {study!r}"
        )
    lines = [f"{origin}."]
    if isinstance(traced.model.network, Ensemble):
        count = len(traced.model.network.members)
        lines[0] += f" It is the mean of {count} networks of one architecture, trained with other seeds."
    if "learned" in record:
        lines.append(f"Its activations learned constants: {record['learned']}")
    for what, each in (("takes", traced.inputs), ("returns", traced.outputs)):
        told = ", ".join(f"{name}: {_tensor(figures)}" for name, figures in each.items())
        lines.append(f"It {what} {told}.")
    return "\n\n".join([lines[0], "\n".join(lines[1:])])


def _tensor(figures: Mapping[str, Any]) -> str:
    return f"{figures['dtype']} ({', '.join(['batch', *map(str, figures['shape'][1:])])})"
