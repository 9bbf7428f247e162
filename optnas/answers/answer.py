"""The base class of answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from torch import nn

from optnas.data.schemas.recorded import Record, Recorded
from optnas.data.trees import Tree

__all__ = ["Answer", "Record", "answer_of", "answer_record"]


class Answer(Recorded):
    """Conversion of a trained network's outputs to predictions that users read; base class."""

    @classmethod
    @abstractmethod
    def of(cls, record: Record) -> Self:
        """Return the answer that ``record`` describes.

        Raises:
            ValueError, KeyError, TypeError: If it describes none.
        """

    def at(self, first: int) -> Self:
        """Return the answer of a batch whose first sample has the number ``first``, for answers that draw."""
        return self

    def __call__(self, module: nn.Module, inputs: Tree, **options: Any) -> Any:
        """Return the answers of a network to a batch; for what is generated, ``options`` say how.

        Args:
            module: The whole network, which prepares inputs and scales outputs itself; in evaluation mode.
            inputs: A batch of tensors (samples, …), as a schema returns them.
            options: What this kind of answer takes; most take none.

        Raises:
            TypeError: If an option is unknown.
        """
        if options:
            raise TypeError(f"predict() takes no {', '.join(options)} for answers of the kind {self.kind!r}")
        return self.read(module(inputs))

    @abstractmethod
    def read(self, outputs: Tree) -> Any:
        """Return the answers in a batch of outputs (samples, …): a DataFrame, an array or a list."""

    def joined(self, parts: Sequence[Any]) -> Any:
        """Return the answers of several batches as one."""
        return joined(parts)

    def unread(self) -> str:
        """Return in words what :meth:`read` is given, for those who have an exported file alone."""
        return "the network's outputs as they are"

    @abstractmethod
    def told(self) -> str:
        """Return in words, for a model card, what comes out."""


def joined(parts: Sequence[Any]) -> Any:
    """Return DataFrames, arrays, lists, or dictionaries and tuples of these, one after the other."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, Mapping):
        return {name: joined([part[name] for part in parts]) for name in first}
    if isinstance(first, tuple):
        return tuple(joined(each) for each in zip(*parts, strict=True))
    if isinstance(first, list):
        return [each for part in parts for each in part]
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    import pandas

    return pandas.concat(parts, ignore_index=True)


def answer_record(answer: Answer) -> dict[str, Any]:
    """Return what describes an answer, as JSON has it."""
    return answer.with_kind()


def answer_of(record: Any) -> Answer:
    """Return the answer that ``record`` describes; earlier versions had none, and outputs as they are.

    Raises:
        ValueError, KeyError, TypeError: If it describes none.
    """
    if record is None:
        record = {"kind": "outputs"}
    found: Answer = Answer.class_of(record["kind"]).of(record)
    return found
