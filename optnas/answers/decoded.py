"""The sequence that belongs to each source, as beam search finds it."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import torch
from torch import Tensor, nn

from optnas.answers.answer import Answer, Record
from optnas.answers.decoding import beam_search
from optnas.data.tokens import END, PADDING, SPECIAL, checked_words
from optnas.data.trees import Tree
from optnas.errors import UserError

__all__ = ["MOST_BEAMS", "Decoded"]

MOST_BEAMS = 10_000
"""The most hypotheses of a beam search."""

_MOST_TOKENS = 1_000_000
# Hypotheses that go through the network at once.
_AT_ONCE = 4096


@dataclasses.dataclass(frozen=True)
class Decoded(Answer):
    """The sequence that belongs to each source, as beam search finds it: a list of words, or a text.

    Options of ``predict``:
        beams: Hypotheses to keep of each; 1 for greedy search. By default as the task had it.

    Attributes:
        words: What each token stands for; empty if that is unknown, and answers are tokens.
        length: The most tokens of an answer.
        beams: Hypotheses of beam search.
        texts: Whether words are letters, of which a text is made.
    """

    kind = "decoded"

    words: tuple[Any, ...]
    length: int
    beams: int = 4
    texts: bool = False

    def record(self) -> dict[str, Any]:
        return {
            "words": list(self.words),
            "length": self.length,
            "beams": self.beams,
            "texts": self.texts,
        }

    @classmethod
    def of(cls, record: Record) -> Self:
        words, length, beams = record["words"], record["length"], record["beams"]
        for number, most in ((length, _MOST_TOKENS), (beams, MOST_BEAMS)):
            if not isinstance(number, int) or not 0 < number <= most:
                raise ValueError(f"{number!r:.50} is no length, or number of beams")
        return cls(checked_words(words) if words else (), length, beams, record["texts"] is True)

    def __call__(
        self, module: nn.Module, inputs: Tree, *, beams: int | None = None, **options: Any
    ) -> list[Any]:
        """Return a text or a list of words for each of ``inputs["source"]``."""
        if options:
            raise TypeError(f"predict() takes no {', '.join(options)} for sequences")
        beams = self.beams if beams is None else beams
        if not isinstance(beams, int) or not 0 < beams <= MOST_BEAMS:
            raise UserError(f"predict(beams={beams!r}): give a whole number from 1 to {MOST_BEAMS:,}")
        some = inputs["source"].split(max(1, _AT_ONCE // beams))
        return self.read(torch.cat([beam_search(module, each, self.length, beams=beams) for each in some]))

    def read(self, outputs: Tensor) -> list[Any]:
        """Return the words of rows of tokens (samples, length), up to the end of each."""
        return [self._words(row) for row in outputs.tolist()]

    def _words(self, row: list[int]) -> Any:
        until = row.index(END) if END in row else len(row)
        tokens = [token for token in row[:until] if token != PADDING]
        if not self.words:
            return tokens
        found = [self.words[token] for token in tokens if token >= len(SPECIAL)]
        return "".join(found) if self.texts else found

    def unread(self) -> str:
        return (
            "of each word of a target the logits of the next one, given the source:"
            " ``tasks.beam_search`` runs the"
            " file once a word"
        )

    def told(self) -> str:
        each = "a text" if self.texts else "a list of words"
        return (
            f"{each} for each source, of at most {self.length - 1}, by beam search with {self.beams}"
            " hypotheses: predict(…, beams=…)"
        )
