"""Writes a trained network as plain PyTorch: its source, and its weights by their names in it."""

from __future__ import annotations

import dataclasses
import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from optnas.answers import Answer
from optnas.data.schemas import Schema
from optnas.export.python.code import CannotExport
from optnas.export.python.network import Members, Source, source_of
from optnas.export.python.weights import Registered, imported, renamed
from optnas.space import Node
from optnas.space.shapes import AnyShape
from optnas.winner.ensemble import Ensemble

__all__ = ["Written", "python_source", "refusal", "run_written", "written_network"]

_WRITTEN = "Written by optnas; it needs PyTorch and safetensors alone. The architecture"
_WIDTH = 92


@dataclasses.dataclass(frozen=True)
class Written:
    """A network as code.

    Attributes:
        name: The name of its class.
        text: The file.
        weights: The content of the file of weights that stands beside it.
    """

    name: str
    text: str
    weights: Mapping[str, Tensor]

    @property
    def lines(self) -> int:
        """The lines of the file."""
        return self.text.count("\n")


def python_source(
    architecture: Node, shape: AnyShape, context: Mapping[str, Any] | None = None, *, title: str = "network"
) -> str:
    """Return the source of an architecture, without weights.

    Args:
        architecture: The architecture.
        shape: The shape of what it takes.
        context: The context of its ops, such as ``{"outputs": 10}``.
        title: What its class is called.

    Raises:
        CannotExport: If a part of it has no plain source; says which and why in one line.
    """
    nothing = nn.Identity()
    told = _docstring(architecture, f"The network {title}.")
    return source_of(architecture, shape, dict(context or {}), nothing, nothing, title, told).text


def refusal(architecture: Node, shape: AnyShape, context: Mapping[str, Any] | None = None) -> str | None:
    """Return why an architecture cannot be written as Python; ``None`` if it can."""
    try:
        python_source(architecture, shape, context)
    except CannotExport as error:
        return str(error)
    return None


def written_network(
    architecture: Node,
    shape: AnyShape,
    context: Mapping[str, Any],
    layers: tuple[nn.Module, nn.Module, nn.Module],
    *,
    title: str,
    about: str = "",
    users: tuple[Schema, Answer] | None = None,
) -> Written:
    """Return a trained network as code, with its weights.

    Args:
        architecture: The architecture.
        shape: The shape of what the network takes.
        context: The context of its ops.
        layers: The layer that prepares inputs, the network or the ensemble of several, and the layer that
            scales outputs.
        title: What it is called, such as ``"digits 17"``.
        about: What the file says of where it is from.
        users: What users have of a sample, and what outputs are read as; ``None`` if that is unknown.

    Raises:
        CannotExport: If a part has no plain source; says which and why in one line.
    """
    preparation, network, scale = layers
    told = _docstring(architecture, about or f"The network {title}.")
    ensemble = Members(len(network.members), network.classes) if isinstance(network, Ensemble) else None
    source = source_of(architecture, shape, dict(context), preparation, scale, title, told, ensemble, users)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.py"
        path.write_text(source.text, encoding="utf-8")
        registered = Registered()
        with registered.noting(), torch.random.fork_rng(devices=[]):
            made: nn.Module = getattr(imported(path), source.name)()
    return Written(source.name, source.text, _weights(source, registered, made, network))


def run_written(path: Path) -> nn.Module:
    """Return the network that a written file and the weights beside it hold."""
    module: nn.Module = imported(path).load()
    return module


def _weights(
    source: Source, registered: Registered, written: nn.Module, network: nn.Module
) -> dict[str, Tensor]:
    after = [(name, value) for name, value in registered.state(written) if name not in source.buffers]
    weights = renamed(dict(network.state_dict()), source.before, after)
    return {**{name: value.clone().contiguous() for name, value in source.buffers.items()}, **weights}


def _docstring(architecture: Node, about: str) -> str:
    """Return the docstring of a network's file."""
    lines = [each for line in about.split("\n") for each in textwrap.wrap(line, _WIDTH) or [""]]
    text = textwrap.wrap(str(architecture), _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join([*lines, "", f"{_WRITTEN}:", "", *text, ""])
