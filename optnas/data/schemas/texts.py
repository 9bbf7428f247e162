"""Texts, of which a network of characters takes the last window."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Self

import torch
from torch import Tensor, nn

from optnas.data.schemas.arrays import checked_length
from optnas.data.schemas.lines import line_pieces, stream_lines
from optnas.data.schemas.schema import Piece, Record, Schema, UnfitSample
from optnas.data.trees import Tree
from optnas.errors import UserError, searched

__all__ = ["Texts", "checked_alphabet", "read_text"]

_MOST_CHARACTERS = 0x110000
# So many unknown characters show what is wrong.
_MOST_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Texts(Schema):
    """Texts of one character or more; a path (of ``pathlib``) is the file's content, in UTF-8.

    A network takes windows of :attr:`context` characters, as in training: of a longer text the last ones. A
    shorter one stands at the beginning of its window, and the rest is filled with -1.

    Attributes:
        alphabet: The characters that the training text had, in the order of their tokens.
        context: Number of characters in a window.
    """

    kind = "texts"

    alphabet: str
    context: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.context,)

    def record(self) -> dict[str, Any]:
        return {"alphabet": self.alphabet, "context": self.context}

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls(checked_alphabet(record["alphabet"]), checked_length(record["context"]))

    @cached_property
    def _tokens(self) -> dict[str, int]:
        return {character: token for token, character in enumerate(self.alphabet)}

    def samples(self, given: Any) -> list[str]:
        if isinstance(given, str):
            return [given]
        if isinstance(given, os.PathLike):
            return [read_text(Path(given))]
        if not isinstance(given, Iterable):
            raise UserError(f"give a text or a list of texts, not {type(given).__name__}")
        texts = [read_text(Path(each)) if isinstance(each, os.PathLike) else each for each in given]
        for place, each in enumerate(texts):
            if not isinstance(each, str):
                raise UnfitSample(place, f"is of the type {type(each).__name__}: give texts")
        return texts

    def is_one(self, given: Any) -> bool:
        return isinstance(given, str | os.PathLike)

    def tensors(self, given: Any) -> Tensor:
        texts = self.samples(given)
        windows = torch.full((len(texts), self.context), -1, dtype=torch.int32)
        for place, text in enumerate(texts):
            window = self._encoded(text[-self.context :], place)
            windows[place, : len(window)] = torch.tensor(window)
        return windows

    def _encoded(self, text: str, place: int) -> list[int]:
        """Return the token of each character.

        Raises:
            UnfitSample: If there is none, or one is unknown.
        """
        if not text:
            raise UnfitSample(place, "is empty: give at least one character", "text")
        if unknown := sorted(set(text) - self._tokens.keys()):
            shown = ", ".join(map(ascii, unknown[:_MOST_SHOWN])) + ", …" * (len(unknown) > _MOST_SHOWN)
            raise UnfitSample(
                place,
                f"has characters that the network has never seen ({shown}): leave them out, or write others;"
                f" it knows {len(self.alphabet)}",
                "text",
            )
        return [self._tokens[character] for character in text]

    def read_file(self, path: Path, size: int) -> Iterator[Piece]:
        """Yield the texts in the lines of a file; what is read of it is not its content as one text."""
        return line_pieces(path, size)

    def read_stream(self, file: BinaryIO, size: int) -> Iterator[Piece]:
        return stream_lines(file, size)

    def preparation(self) -> nn.Module:
        return Filled()

    def drawn(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randint(
            len(self.alphabet), (count, self.context), generator=generator, dtype=torch.int32
        )

    def restored(self, stored: Tree, prepare: Callable[[Tree], Tree]) -> Tensor:
        tokens: Tensor = prepare(stored)
        return tokens.int()

    def told(self) -> str:
        return (
            f"texts of at least one of {len(self.alphabet)} known characters; the last {self.context} of a"
            " text count"
        )

    def example(self) -> str:
        letters = [each for each in self.alphabet if each.isalnum()] or list(self.alphabet)
        return repr("".join(letters[-3:]))


class Filled(nn.Module):
    """Layer that makes tokens of windows that are filled up with -1: causal networks see no difference."""

    def forward(self, x: Tensor) -> Tensor:
        return x.int().clamp(min=0)


def read_text(path: Path) -> str:
    """Return the content of a file in UTF-8.

    Raises:
        UserError: If it cannot be read, or is none.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}{searched(path)}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text in UTF-8: {error}") from None


def checked_alphabet(alphabet: Any) -> str:
    """Return an alphabet as JSON has it.

    Raises:
        ValueError: If it is none, or has a character twice.
    """
    if not isinstance(alphabet, str) or not 0 < len(alphabet) <= _MOST_CHARACTERS:
        raise ValueError("the alphabet is no text of characters")
    if len(set(alphabet)) < len(alphabet):
        raise ValueError("a character is twice in the alphabet")
    return alphabet
