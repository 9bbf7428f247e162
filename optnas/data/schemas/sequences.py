"""Sequences of words, such as sentences to translate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Self

import torch
from torch import nn

from optnas.data.schemas.arrays import checked_length
from optnas.data.schemas.lines import line_pieces, stream_lines
from optnas.data.schemas.schema import Piece, Record, Schema, UnfitSample
from optnas.data.tokens import BEGIN, END, PADDING, checked_words
from optnas.data.trees import Tree
from optnas.errors import UserError
from optnas.space.shapes import Shapes

__all__ = ["Sequences"]

_MOST_SHOWN = 5

Words = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Sequences(Schema):
    """Sequences of words, or texts of letters, to which a network finds those that belong to them.

    Where sources were texts, a text is a sequence of letters. Else a sequence is a list of words, or a text
    of words with blanks between them.

    Attributes:
        words: What each token stands for, from 0 on; the first three are special.
        length: Tokens of a source, its end included.
        target_length: Tokens of a target, its end included.
        letters: Whether sources were texts.
    """

    kind = "sequences"

    words: Words
    length: int
    target_length: int
    letters: bool

    @property
    def shape(self) -> Shapes:
        return Shapes({"source": (self.length,), "target": (self.target_length,)})

    def record(self) -> dict[str, Any]:
        return {
            "words": list(self.words),
            "length": self.length,
            "target_length": self.target_length,
            "letters": self.letters,
        }

    @classmethod
    def of(cls, record: Record) -> Self:
        length, target_length = (checked_length(record[name]) for name in ("length", "target_length"))
        letters = record["letters"]
        if not isinstance(letters, bool):
            raise TypeError("letters must be true or false")
        return cls(checked_words(record["words"]), length, target_length, letters)

    @cached_property
    def _tokens(self) -> dict[Any, int]:
        return {word: token for token, word in enumerate(self.words) if token > END}

    def samples(self, given: Any) -> list[Words]:
        given = _listed(given)
        if not isinstance(given, str | list | tuple):
            raise UserError(f"give sequences of words, or texts, not {type(given).__name__}")
        return [self._sequence(given)] if self.is_one(given) else [self._sequence(each) for each in given]

    def is_one(self, given: Any) -> bool:
        given = _listed(given)
        if isinstance(given, str):
            return True
        if self.letters:
            return isinstance(given, tuple) and not any(isinstance(each, list | tuple) for each in given)
        several = any(isinstance(each, list | tuple) or self._has_words(each) for each in given)
        return bool(given) and not several

    def _has_words(self, given: Any) -> bool:
        return isinstance(given, str) and given not in self._tokens and len(given.split()) > 1

    def _sequence(self, given: Any) -> Words:
        if isinstance(given, str) and self.letters:
            return tuple(given)
        if self._has_words(given):
            return tuple(given.split())
        return tuple(given) if isinstance(given, list | tuple) else (given,)

    def tensors(self, given: Any) -> Tree:
        sequences = self.samples(given)
        source = torch.full((len(sequences), self.length), PADDING, dtype=torch.int32)
        for place, sequence in enumerate(sequences):
            tokens = [*self._encoded(sequence, place), END]
            source[place, : len(tokens)] = torch.tensor(tokens)
        target = torch.full((len(sequences), self.target_length), PADDING, dtype=torch.int32)
        target[:, 0] = BEGIN
        return {"source": source, "target": target}

    def _encoded(self, sequence: Words, place: int) -> list[int]:
        try:
            unknown = [word for word in sequence if word not in self._tokens]
        except TypeError as error:
            raise _unfit(place, f"has words that are no texts or whole numbers: {error}") from None
        if unknown:
            several = ", …" * (len(unknown) > _MOST_SHOWN)
            raise _unfit(
                place,
                "has words that the network has never seen"
                f" ({', '.join(f'{word!a:.40}' for word in unknown[:_MOST_SHOWN])}{several}): leave them out,"
                " or give others",
            )
        if len(sequence) >= self.length:
            raise _unfit(
                place,
                f"is of {len(sequence)} words, and the network takes {self.length - 1} at most: divide it",
            )
        return [self._tokens[word] for word in sequence]

    def read_file(self, path: Path, size: int) -> Iterator[Piece]:
        """Yield the sequences in the lines of a file: texts of letters, or words with blanks between them."""
        return self._divided(line_pieces(path, size))

    def read_stream(self, file: BinaryIO, size: int) -> Iterator[Piece]:
        return self._divided(stream_lines(file, size))

    def _divided(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            given = piece.given if self.letters else [text.split() for text in piece.given]
            yield dataclasses.replace(piece, given=given)

    def preparation(self) -> nn.Module:
        return nn.Identity()

    def drawn(self, count: int, generator: torch.Generator) -> Tree:
        return {
            name: torch.randint(
                END + 1, len(self.words), (count, *sizes), generator=generator, dtype=torch.int32
            )
            for name, sizes in (("source", (self.length,)), ("target", (self.target_length,)))
        }

    def restored(self, stored: Tree, prepare: Callable[[Tree], Tree]) -> Tree:
        return prepare(stored)

    def told(self) -> str:
        known, most = len(self.words) - 1 - END, self.length - 1
        if self.letters:
            return f"texts of at most {most} of {known} known letters"
        return f"lists of at most {most} of {known} known words, or texts with blanks between words"

    def example(self) -> str:
        some = list(self.words[END + 1 :][: self.length - 1][:2])
        return repr("".join(some)) if self.letters else repr([some])


def _unfit(place: int, why: str) -> UnfitSample:
    return UnfitSample(place, why, "sequence")


def _listed(given: Any) -> Any:
    """Return the lists that arrays and tensors stand for; anything else as it is."""
    return given.tolist() if hasattr(given, "tolist") else given
