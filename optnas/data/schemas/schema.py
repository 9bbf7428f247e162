"""The base class of schemas."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self

import torch
from torch import Tensor, nn

from optnas.data.csv_texts import STANDARD_INPUT
from optnas.data.schemas.recorded import Record, Recorded
from optnas.data.trees import Tree
from optnas.errors import UserError
from optnas.space.shapes import AnyShape

__all__ = ["Piece", "Record", "Schema", "UnfitSample", "schema_of", "schema_record"]


class UnfitSample(UserError):
    """One of the samples in a batch is not what the network was trained on.

    Whoever divides samples into batches, or reads them from a file, knows which of all it is:
    :meth:`behind` and :meth:`at` say so.

    Attributes:
        place: The number of the sample in the batch.
        why: What is wrong with it and what to do, such as ``is empty: give …``.
        what: What samples are called.
    """

    def __init__(self, place: int, why: str, what: str = "sample") -> None:
        super().__init__(f"{what} {place} {why}")
        self.place, self.why, self.what = place, why, what

    def behind(self, count: int) -> UnfitSample:
        """Return the error for the same sample, counted from ``count`` samples before the batch."""
        return UnfitSample(self.place + count, self.why, self.what)

    def at(self, where: str) -> UserError:
        """Return the error with the sample's place in the user's words, such as ``x.txt, line 4``."""
        return UserError(f"{where} {self.why}")


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """Some samples of a file or a folder, as :meth:`Schema.read_file` yields them.

    Attributes:
        given: The samples, as :meth:`Schema.samples` takes them.
        share: The share of the file that is read with them, 0 to 1; ``None`` of a stream.
        named: What tells which samples these are, such as the file of each picture: a pandas DataFrame with a
            row for each, that always stands beside predictions; ``None`` where their order tells it.
        carried: The columns of a table that can stand beside predictions; ``None`` if there are none.
        where: Function from a sample's place in the piece to its name in the whole file, such as ``line 4``.
    """

    given: Any
    share: float | None
    named: Any = None
    carried: Any = None
    where: Callable[[int], str] = "sample {}".format


class Schema(Recorded):
    """Conversion of samples as users have them to the tensors that a trained network takes; base class.

    It is in two steps: :meth:`tensors` reads what is no tensor, such as texts, files and dates, and checks
    it; :meth:`preparation` is the rest as a layer, which is exported with the network.
    """

    options: ClassVar[tuple[str, ...]] = ()
    """Names of the options of ``predict`` that :meth:`batches` takes."""

    @property
    @abstractmethod
    def shape(self) -> AnyShape:
        """The shape of one sample as the network takes it."""

    @classmethod
    @abstractmethod
    def of(cls, record: Record) -> Self:
        """Return the schema that ``record`` describes.

        Raises:
            ValueError, KeyError, TypeError: If it describes none.
        """

    def samples(self, given: Any) -> Any:
        """Return what a user gave as something with a length that can be sliced: one sample becomes several.

        Raises:
            UserError: If it is nothing of the kind.
        """
        return given

    @abstractmethod
    def tensors(self, given: Any) -> Tree:
        """Return a batch of what users have as tensors (samples, …) on the CPU.

        Raises:
            UserError: If it is not what the network was trained on; says what to do.
                :class:`UnfitSample` if that is so of one sample.
        """

    def batches(self, given: Any, size: int, **options: Any) -> Iterator[Tree]:
        """Yield what a user gave as tensors, ``size`` samples at a time.

        Args:
            given: What a user gave.
            size: Number of samples in a batch.
            options: Those of :attr:`options`.
        """
        samples = self.samples(given)
        for start in range(0, self.count(samples), size):
            try:
                found = self.tensors(self.piece(samples, slice(start, start + size)))
            except UnfitSample as error:
                raise error.behind(start) from None
            yield found

    def is_one(self, given: Any) -> bool:
        """Return whether ``given`` is one sample, of which users get one answer where answers are a list."""
        return False

    def count(self, samples: Any) -> int:
        """Return the number of ``samples``."""
        return len(samples)

    def piece(self, samples: Any, at: slice) -> Any:
        """Return some of ``samples``."""
        return samples[at]

    def read_file(self, path: Path, size: int) -> Iterator[Piece]:
        """Yield the samples of a file or a folder in order, about ``size`` at a time, within bounded memory.

        Raises:
            UserError: If such samples are not read from files, or this one cannot be read.
        """
        raise UserError(
            f"{path}: samples of the kind {self.kind!r} are not read from files; predict them in Python by"
            " optnas.load(folder).predict(…)"
        )

    def read_stream(self, file: BinaryIO, size: int) -> Iterator[Piece]:
        """Yield the samples of standard input, which is read once and only as far as they are taken.

        Raises:
            UserError: If such samples are not read from a stream, or this one is none of them.
        """
        raise UserError(
            f"{STANDARD_INPUT}: samples of the kind {self.kind!r} are not read from it: give the path of a"
            " file"
        )

    @abstractmethod
    def preparation(self) -> nn.Module:
        """Return the layer that brings the tensors of :meth:`tensors` to what the network takes."""

    def drawn(self, count: int, generator: torch.Generator) -> Tree | None:
        """Return made-up samples as :meth:`tensors` returns them, in the range of the training part.

        An export is traced with them, and compared on them where there is no data. By default ``None``: then
        it needs data.
        """
        return None

    def restored(self, stored: Tree, prepare: Callable[[Tree], Tree]) -> Tree | None:
        """Return what :meth:`tensors` made of samples that a data set stores; the inverse of its storing.

        Args:
            stored: Stored inputs (samples, …).
            prepare: The data set's function from these to inputs of a network.

        Returns:
            The tensors, exactly those of whole numbers and else up to rounding; by default ``None``, if what
            is stored does not tell them.
        """
        return None

    def unprepared(self, x: Tensor) -> Any:
        """Return prepared samples (samples, …), such as a generator makes, as users have them."""
        return x.numpy()

    @abstractmethod
    def told(self) -> str:
        """Return in words, for a model card, what goes in, such as "texts of at least one character"."""

    @abstractmethod
    def example(self) -> str:
        """Return a Python expression of a sample or two that :meth:`tensors` takes, with numpy as ``np``."""


def schema_record(schema: Schema) -> dict[str, Any]:
    """Return a schema as JSON has it."""
    return schema.with_kind()


def schema_of(record: Any) -> Schema:
    """Return the schema that ``record`` describes; earlier versions named no kind.

    Raises:
        ValueError, KeyError, TypeError: If it describes none.
    """
    if not isinstance(record, Mapping):
        raise TypeError("it describes no input")
    kind = record.get("kind", "several" if "inputs" in record else "array")
    found: Schema = Schema.class_of(kind).of(record)
    return found
