"""Continuation of a text by a language model."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Self

import torch
from torch import Tensor, nn

from optnas.answers.answer import Answer, Record
from optnas.data.schemas.noise import generator
from optnas.data.schemas.texts import checked_alphabet
from optnas.errors import UserError, check_whole

__all__ = ["Continuation"]

_MOST_CHARACTERS = 10_000_000


@dataclasses.dataclass(frozen=True)
class Continuation(Answer):
    """Continuation of a text, character by character; or the probabilities of its next character.

    Each character is predicted by a window of those before it, as long as in training.

    Options of ``predict``:
        length: Number of characters to write, by default 100.
        temperature: 0 for the likeliest character at each step (greedy, the default); else characters are
            drawn by their probabilities, of logits divided by it: 1 is as the network learned, and more is
            more random.
        top_k: Only so many of the likeliest characters are drawn from.
        seed: Of what is drawn. Each text has random numbers of its own, by its number, whatever the batch.
        probabilities: ``True`` returns a DataFrame of the probability of each character to be next instead.

    Attributes:
        alphabet: The characters in the order of their tokens; empty if these stand for something else.
        first: The number of a batch's first sample.
    """

    kind = "continuation"

    alphabet: str = ""
    first: int = 0

    def record(self) -> dict[str, Any]:
        return {"alphabet": self.alphabet}

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls(record["alphabet"] and checked_alphabet(record["alphabet"]))

    def at(self, first: int) -> Self:
        return dataclasses.replace(self, first=first)

    def __call__(
        self,
        module: nn.Module,
        inputs: Tensor,
        *,
        length: int = 100,
        temperature: float = 0.0,
        top_k: int | None = None,
        seed: int = 0,
        probabilities: bool = False,
        **options: Any,
    ) -> Any:
        """Return what follows windows of tokens (samples, context) that are filled up with -1."""
        if options:
            raise TypeError(f"predict() takes no {', '.join(options)} for texts")
        if probabilities:
            return self.read(module(inputs)[_rows(inputs), _ends(inputs)])
        self._check(length, temperature, top_k, seed)
        generators = [generator(seed, self.first + place) for place in range(len(inputs))]
        windows, written = inputs.clone(), torch.empty(len(inputs), length, dtype=torch.int64)
        for step in range(length):
            logits = module(windows)[_rows(windows), _ends(windows)].float()
            written[:, step] = _chosen(logits, temperature, top_k, generators)
            _append(windows, written[:, step])
        rows: list[list[int]] = written.tolist()
        return ["".join(self.alphabet[token] for token in row) for row in rows] if self.alphabet else rows

    @staticmethod
    def _check(length: Any, temperature: Any, top_k: Any, seed: Any) -> None:
        check_whole("predict", 0, length=length, seed=seed)
        if top_k is not None:
            check_whole("predict", top_k=top_k)
        if length > _MOST_CHARACTERS:
            raise UserError(f"predict(length={length}): at most {_MOST_CHARACTERS:,} at once")
        if not isinstance(temperature, int | float) or not 0 <= temperature < math.inf:
            raise UserError(f"predict(temperature={temperature!r}): give a number from 0 on")

    def read(self, outputs: Tensor) -> Any:
        """Return a DataFrame of the probabilities of the next character, from logits (samples, tokens)."""
        import pandas

        names: list[Any] = list(self.alphabet) or [*range(outputs.shape[1])]
        return pandas.DataFrame(outputs.double().softmax(1).numpy(), columns=names)

    def unread(self) -> str:
        return (
            "of each character of a window the logits of the next one: a text is written by"
            " running the file once"
            " a character"
        )

    def told(self) -> str:
        return (
            "the text that follows, by default 100 characters: predict(…, length=…, temperature=…, top_k=…,"
            " seed=…), the likeliest at each step where temperature is 0; the probabilities of the next"
            " character by predict(…, probabilities=True)"
        )


def _rows(windows: Tensor) -> Tensor:
    return torch.arange(len(windows))


def _ends(windows: Tensor) -> Tensor:
    """Return the place of the last character of each window."""
    return (windows >= 0).sum(1) - 1


def _chosen(
    logits: Tensor, temperature: float, top_k: int | None, generators: list[torch.Generator]
) -> Tensor:
    """Return the token to write next in each row of logits (samples, tokens)."""
    if temperature == 0:
        return logits.argmax(1)
    if top_k is not None:
        least = logits.topk(min(top_k, logits.shape[1])).values[:, -1:]
        logits = logits.masked_fill(logits < least, -math.inf)
    # Less the largest, as else a low temperature makes infinities of logits.
    likely = ((logits - logits.amax(1, keepdim=True)) / temperature).softmax(1)
    drawn = [torch.multinomial(row, 1, generator=each) for row, each in zip(likely, generators, strict=True)]
    return torch.cat(drawn) if drawn else logits.argmax(1)


def _append(windows: Tensor, tokens: Tensor) -> None:
    """Write a token behind each window, which moves on where it is full."""
    full = windows[:, -1] >= 0
    windows[full, :-1] = windows[full, 1:].clone()
    ends = torch.where(full, windows.shape[1] - 1, _ends(windows) + 1)
    windows[_rows(windows), ends] = tokens.to(windows.dtype)
