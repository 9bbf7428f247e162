"""What the tests of export share: networks as if they were trained, and files compared with them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from optnas.answers import Outputs
from optnas.data.normalize import Normalize
from optnas.data.schemas import Arrays, Ids, Schema
from optnas.data.trees import leaves
from optnas.export.format import Format
from optnas.export.samples import as_exported, largest_difference, made_up
from optnas.export.traced import Traced
from optnas.space import Node
from optnas.winner.model import Model
from optnas.winner.outputs import scaling


def bytes_of_pictures(shape: tuple[int, ...]) -> Arrays:
    """Return the schema of pictures whose bytes a network normalises."""
    ones = [1] * (len(shape) - 1)
    mean = torch.linspace(90.0, 140.0, shape[0], dtype=torch.float64).reshape(1, -1, *ones)
    return Arrays(shape, "uint8", Normalize(mean, mean / 2), (0, 255))


def schema_for(shape: tuple[int, ...], vocabulary: int | None = None) -> Schema:
    """Return the schema of pictures, of tokens, or of arrays that are not normalised."""
    if vocabulary is not None:
        return Ids(shape, vocabulary - 1)
    return bytes_of_pictures(shape) if len(shape) == 3 else Arrays(shape)


def model_of(
    architecture: Node, schema: Schema, *, seed: int = 0, scale: Any = None, **context: Any
) -> Model:
    """Return a network whose weights and whose statistics of batch norms are no longer those of the start."""
    torch.manual_seed(seed)
    network: nn.Module = architecture.build(schema.shape, **context)
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.running_mean is not None:
            layer.running_mean.normal_(std=0.1)
            layer.running_var.uniform_(0.5, 2.0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    record = {"architecture": str(architecture), "context": context}
    return Model(network, scaling(scale), schema, Outputs(), record)


def traced_of(model: Model, count: int = 5) -> Traced:
    return Traced(model, as_exported(model, made_up(model.schema, count)).inputs)


@contextmanager
def one_library() -> Iterator[None]:
    """Let ``torch.onnx`` read its library of translations once: for a small network that takes longest."""
    from torch.onnx._internal.exporter import _registration

    registry = _registration.ONNXRegistry
    before = registry.__dict__.get("from_torchlib")
    if before is None:  # of another version of PyTorch
        yield
        return
    if not _library:
        _library.append(registry.from_torchlib())
    registry.from_torchlib = classmethod(lambda cls, *args, **kwargs: _library[0])
    try:
        yield
    finally:
        registry.from_torchlib = before


_library: list[Any] = []


def written(form: Format, traced: Traced, folder: Path) -> Path:
    """Write the files of a format into ``folder`` and return the main one."""
    path = folder / f"model{form.suffix}"
    for suffix, content in form.content(traced).items():
        path.with_suffix(suffix).write_bytes(content)
    return path


def difference(form: Format, traced: Traced) -> float:
    """Return by how much a file differs from PyTorch, on a batch of another size than traced and on one."""
    with tempfile.TemporaryDirectory() as folder:
        run = form.runner(written(form, traced, Path(folder)), traced)
        alone = traced.batch(1)
        with torch.inference_mode():
            expected = list(leaves(traced.model(alone)))
        return max(
            largest_difference(run(list(leaves(traced.samples))), traced.expected),
            largest_difference(run(list(leaves(alone))), expected),
        )


def ruff(folder: Path) -> None:
    """Check that Python files pass ruff with its own rules and a line length of 100."""
    for command in (["check"], ["format", "--check"]):
        options = ["--isolated", "--no-cache", "--line-length", "100"]
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *options, str(folder)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
