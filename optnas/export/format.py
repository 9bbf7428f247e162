"""The base class of formats."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from optnas.data.trees import Tree, leaves
from optnas.errors import UserError
from optnas.export.traced import Traced

__all__ = ["Call", "Default", "Format", "Run", "array_call", "quoted", "torch_call"]

Run = Callable[[Sequence[Tensor]], list[Tensor]]
"""Runs a written file: takes a batch of each input and returns each output, in the order of their names."""


@dataclasses.dataclass(frozen=True)
class Default:
    """A runtime with its own settings, which may compute in another precision than a file is checked in.

    Attributes:
        run: Runs the file.
        precision: What it computes in, such as ``bf16``.
        instead: How to have it compute as checked, for users.
    """

    run: Run
    precision: str
    instead: str


@dataclasses.dataclass(frozen=True)
class Call:
    """Names that the model card's code for an exported file is made of.

    Attributes:
        file: The file as the code names it.
        names: The names of the inputs in the structure that PyTorch takes them in.
        outputs: The names of the outputs in the structure that PyTorch returns them in.
        members: The number of networks of an ensemble; 0 if it is none.
    """

    file: str
    names: Tree
    outputs: Tree
    members: int = 0


class Format(ABC):
    """A file format for trained networks: how it is written, and how its file is run to check it."""

    name: ClassVar[str]
    suffix: ClassVar[str]
    """File name extension of its main file, such as ``.onnx``."""
    in_folder: ClassVar[bool] = False
    """Whether its files have fixed names, in a folder of their own."""
    packages: ClassVar[tuple[str, ...]] = ()
    """The modules that it needs beside PyTorch's own."""
    extra: ClassVar[str | None] = None
    """The extra of optnas that installs them."""
    quantizes: ClassVar[bool] = False
    """Whether :meth:`content` takes a graph with int8 arithmetic."""
    takes: ClassVar[str]
    """The networks that it can express and those that it cannot, in a sentence for users."""

    def check_installed(self) -> None:
        """Raise if a package is missing.

        Raises:
            UserError: If one is; says how to install it.
        """
        missing = [name for name in self.packages if importlib.util.find_spec(name) is None]
        if missing:
            raise UserError(
                f"{self.name} needs {', '.join(missing)}: pip install 'optnas[{self.extra}]'"
                f" (in a clone: pip install '.[{self.extra}]')"
            )

    @abstractmethod
    def content(self, traced: Traced) -> dict[str, bytes]:
        """Return the content of the files by the ends of their names, the main one first.

        Raises:
            CannotExport: If the format cannot express the network.
        """

    @abstractmethod
    def version(self, path: Path) -> str:
        """Return which version of the format a written file has, such as ``opset 20``."""

    @abstractmethod
    def runner(self, path: Path, traced: Traced) -> Run | None:
        """Return a function that runs a written file on the CPU; ``None`` for a format without a graph."""

    def by_default(self, path: Path, traced: Traced) -> Default | None:
        """Return what runs a written file as its runtime does unless told otherwise.

        ``None`` where that is the same on every machine.
        """
        return None

    def taken(self, path: Path, names: Sequence[str]) -> list[str]:
        """Return which of the inputs a written file has: one that no output depends on may be gone."""
        return list(names)

    @abstractmethod
    def code(self, call: Call) -> tuple[list[str], list[str]]:
        """Return Python code that runs a file: lines of imports, and lines of code.

        It goes on from ``inputs``, a dictionary of NumPy arrays by name, and ends with ``output``, or with
        ``outputs`` where there are several.
        """


def array_call(call: Call, run: str) -> list[str]:
    """Return code that keeps the arrays that ``run`` returns in their order."""
    if isinstance(call.outputs, str):
        return [f"(output,) = {run}"]
    names = ", ".join(map(quoted, leaves(call.outputs)))
    return [f"outputs = dict(zip([{names}], {run}, strict=True))"]


def torch_call(call: Call, module: str) -> list[str]:
    """Return code that calls a module of PyTorch with the inputs as it takes them."""
    result = "output" if isinstance(call.outputs, str) else "outputs"
    run = f"    {result} = {module.format('given')}"
    return [f"given = {_given(call.names)}", "with torch.inference_mode():", run]


def quoted(text: str) -> str:
    """Return code of a text, in the quotes that formatters prefer."""
    return json.dumps(text, ensure_ascii=False) if text.isprintable() else repr(text)


def _given(names: Tree) -> str:
    """Return code of the inputs as PyTorch takes them."""
    if isinstance(names, Mapping) and all(name == each for name, each in names.items()):
        return "{name: torch.from_numpy(each) for name, each in inputs.items()}"
    if isinstance(names, tuple) and all(isinstance(each, str) for each in names):
        return "tuple(map(torch.from_numpy, inputs.values()))"
    return _tensors(names)


def _tensors(names: Tree) -> str:
    """Return code of tensors in the structure of their names."""
    if isinstance(names, Mapping):
        return "{" + ", ".join(f"{quoted(name)}: {_tensors(each)}" for name, each in names.items()) + "}"
    if isinstance(names, tuple):
        return "(" + ", ".join(map(_tensors, names)) + ",)"
    return f"torch.from_numpy(inputs[{quoted(names)}])"


def as_arrays(inputs: Sequence[Tensor]) -> list[Any]:
    """Return tensors as NumPy arrays in one piece of memory, which other runtimes need."""
    return [each.contiguous().numpy() for each in inputs]
