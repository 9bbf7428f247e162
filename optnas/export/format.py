"""The base class of formats."""

from __future__ import annotations

import dataclasses
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from optnas.errors import UserError
from optnas.export.traced import Traced

__all__ = ["Default", "Format", "Run"]

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


def as_arrays(inputs: Sequence[Tensor]) -> list[Any]:
    """Return tensors as NumPy arrays in one piece of memory, which other runtimes need."""
    return [each.contiguous().numpy() for each in inputs]
