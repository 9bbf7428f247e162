"""A trained network as ``torch.export`` sees it: one graph for batches of any size, with names."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from optnas.answers import answer_record
from optnas.data.schemas import schema_record
from optnas.data.trees import Tree, leaves, mapped, samples_in
from optnas.errors import UserError, chain
from optnas.winner.model import Model

__all__ = ["CannotExport", "Traced", "one_reason", "quietly"]

# torch.export takes a size of 0 or 1 for a constant.
_TRACED_SAMPLES = 2

_UNKNOWN = re.compile(r"No ONNX function found for <OpOverload\(op='([\w.:]+)'")
_BY_VALUES = "data-dependent"


class CannotExport(UserError):
    """A format cannot express a network; the message says why in one line."""


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    """A trained network with the samples that it is traced and checked on.

    Attributes:
        model: The network, with what prepares its inputs and scales its outputs.
        samples: A batch of inputs, as the model's schema makes tensors of what users have; their types are
            those that the exported network takes.
        made: Graphs that were made of it, by the names of their formats.
    """

    model: Model
    samples: Tree
    made: dict[str, bytes] = dataclasses.field(default_factory=dict)

    @cached_property
    def expected(self) -> list[Tensor]:
        """The outputs of the network for the samples, in the order of :attr:`output_names`."""
        return list(leaves(self._outputs(self.samples)))

    def _outputs(self, samples: Tree) -> Tree:
        with torch.inference_mode():
            return self.model(samples)

    def batch(self, size: int) -> Tree:
        """Return ``size`` of the samples, repeated if they are fewer."""
        places = torch.arange(size) % samples_in(self.samples)
        return mapped(lambda each: each[places], self.samples)

    @cached_property
    def input_names(self) -> list[str]:
        """The name of each input: ``input`` if there is one, ``input_0`` and so on in a tuple."""
        return list(_names(self.samples, "input"))

    @cached_property
    def output_names(self) -> list[str]:
        """The name of each output, likewise; ``…_out`` if an input has that name."""
        names = _names(self._outputs(self.batch(_TRACED_SAMPLES)), "output")
        return [f"{name}_out" if name in self.input_names else name for name in names]

    @property
    def input_tree(self) -> Tree:
        """The names of the inputs in the structure that the network takes them in."""
        names = iter(self.input_names)
        return mapped(lambda _: next(names), self.samples)

    @property
    def output_tree(self) -> Tree:
        """The names of the outputs, likewise."""
        names = iter(self.output_names)
        return mapped(lambda _: next(names), self._outputs(self.batch(_TRACED_SAMPLES)))

    @cached_property
    def program(self) -> torch.export.ExportedProgram:
        """The graph of the network for a batch of any size.

        Raises:
            CannotExport: If there is none, as of code that depends on values.
        """
        example = self.batch(_TRACED_SAMPLES)
        batch = torch.export.Dim("batch")
        sizes = mapped(lambda each: {0: batch}, example)
        try:
            with quietly(), torch.no_grad():
                return torch.export.export(self.model.module, (example,), dynamic_shapes=(sizes,))
        except Exception as error:
            raise CannotExport(f"torch.export has no graph of the network: {one_reason(error)}") from error

    @property
    def schema(self) -> str:
        """The schemas of inputs and of answers as JSON: ``input`` and ``answer``."""
        told = {"input": schema_record(self.model.schema), "answer": answer_record(self.model.answer)}
        return json.dumps(told, ensure_ascii=False)

    @property
    def inputs(self) -> dict[str, dict[str, Any]]:
        """The type and the shape of each input by name; the size of the batch is ``None``."""
        return _described(self.input_names, leaves(self.samples))

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """The type and the shape of each output by name, likewise."""
        return _described(self.output_names, self.expected)


def _names(tree: Tree, alone: str, within: str = "") -> Iterator[str]:
    """Yield the name of each tensor of a tree in the order of its leaves."""
    if isinstance(tree, Mapping):
        for name, each in tree.items():
            yield from _names(each, alone, f"{within}.{name}" if within else str(name))
    elif isinstance(tree, tuple):
        for place, each in enumerate(tree):
            yield from _names(each, alone, f"{within or alone}_{place}")
    else:
        yield within or alone


def _described(names: list[str], tensors: Any) -> dict[str, dict[str, Any]]:
    return {
        name: {"dtype": str(each.dtype).removeprefix("torch."), "shape": [None, *each.shape[1:]]}
        for name, each in zip(names, tensors, strict=True)
    }


def one_reason(error: BaseException) -> str:
    """Return in one line why an exporter failed."""
    for each in chain(error):
        if found := _UNKNOWN.search(str(each)):
            return f"torch.onnx has no translation of {found[1]}"
        if _BY_VALUES in str(each):
            return "its code goes by values (as x.item() or an if does), which no graph knows"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@contextmanager
def quietly() -> Iterator[None]:
    """Keep exporters from writing to users, who get one line in the end."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
