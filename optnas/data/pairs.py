"""Pairs of sequences, such as sentences and their translations."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from optnas.data.data import Data, Splits
from optnas.data.schemas.sequences import Sequences
from optnas.data.split import splits_of
from optnas.data.split_rules import SplitRule, origin_of, split_by
from optnas.data.tokens import BEGIN, END, PADDING, SPECIAL
from optnas.errors import UserError

__all__ = ["BEGIN", "END", "PADDING", "Pairs", "pairs"]


class Pairs(Data):
    """Data of pairs of sequences.

    Inputs are ``source`` (length,), and ``target`` (length,), which is the target shifted right: it has at
    each position what comes before the token that is to be predicted there. Targets are (length,), filled up
    with -1.
    """

    sources: Sequence[Sequence[Any]]
    targets: Sequence[Sequence[Any]]

    @cached_property
    def words(self) -> tuple[Any, ...]:
        """The word of each token id: three special ones first, then all words of both sides in order."""
        found = {word for side in (self.sources, self.targets) for sequence in side for word in sequence}
        return (*SPECIAL, *sorted(found, key=lambda word: (type(word).__name__, word)))

    @cached_property
    def tokens(self) -> dict[Any, int]:
        """The token of each word."""
        return {word: token for token, word in enumerate(self.words) if token > END}


def pairs(
    sources: Sequence[Sequence[Any]],
    targets: Sequence[Sequence[Any]],
    *,
    split: SplitRule | None = None,
    validation: float = 0.2,
    test: float = 0.2,
    seed: int = 0,
    name: str = "pairs",
) -> Pairs:
    """Make a data set of pairs of sequences of words, for ``tasks.seq2seq``.

    Words are anything that can be a key, such as texts, letters of a text, or whole numbers. Sequences differ
    in length; the longest of each side, and a token for its end, make the length of the inputs.

    Args:
        sources: Sequences to learn from, such as ``[["the", "dog"], …]`` or ``["the dog".split(), …]``.
        targets: The sequence that belongs to each.
        split: Which pairs are for what; by default at random.
        validation: Share of the pairs held out to score candidates.
        test: Share of the pairs held out for the winner.
        seed: Seed of the split.
        name: Its name in records.

    Raises:
        UserError: At once if a side is no list; on first use of the data if there are not as many of both, or
            a word cannot be a key.
    """

    def load() -> Splits:
        if len(made.sources) != len(made.targets) or not len(made.sources):
            raise UserError(
                f"data {name!r}: {len(made.sources)} sources and {len(made.targets)} targets; give pairs"
            )
        known = _tokens(made)
        x, y = (_filled(side, known) for side in (made.sources, made.targets))
        shifted = np.concatenate([np.full((len(y), 1), BEGIN), y[:, :-1]], axis=1)
        parts = split_by(split, name, len(x), validation, test, seed)
        inputs = {"source": _as_tensor(x), "target": _as_tensor(shifted)}
        found = splits_of(inputs, np.where(y == PADDING, -1, y), parts)
        origin = origin_of(split, validation, test, seed, stratified=False)
        schema = _schema(made, x.shape[1], y.shape[1])
        return dataclasses.replace(found, outputs=len(made.words), schema=schema, origin=origin)

    made = Pairs(name, load)
    made.sources, made.targets = (_sequences(name, side) for side in (sources, targets))
    return made


def _sequences(name: str, side: Any) -> Sequence[Sequence[Any]]:
    # The elements of a tensor are tensors, of which no two are the same word.
    given = side.tolist() if isinstance(side, torch.Tensor) else side
    if isinstance(given, str | bytes | Mapping) or not hasattr(given, "__len__"):
        raise UserError(
            f"data {name!r}: {given!r:.60} is no list of sequences; give e.g. ['the dog'.split(), …]"
        )
    return [each.tolist() if isinstance(each, torch.Tensor) else each for each in given]


def _schema(made: Pairs, length: int, target_length: int) -> Sequences | None:
    """Return what a source is; ``None`` for words that are no texts or whole numbers, as JSON has none."""
    words = tuple(word.item() if isinstance(word, np.generic) else word for word in made.words)
    if not all(isinstance(word, str | int) for word in words):
        return None
    letters = all(isinstance(source, str) for source in made.sources)
    return Sequences(words, length, target_length, letters)


def _tokens(made: Pairs) -> dict[Any, int]:
    try:
        return made.tokens
    except TypeError as error:
        raise UserError(
            f"data {made.name!r}: sequences are of words, such as texts or whole numbers: {error}"
        ) from None


def _filled(side: Sequence[Sequence[Hashable]], known: dict[Any, int]) -> np.ndarray[Any, Any]:
    """Return tokens (samples, length), each sequence with an end behind it."""
    filled = np.full((len(side), 1 + max(map(len, side))), PADDING, np.int64)
    for row, sequence in zip(filled, side, strict=True):
        row[: len(sequence)] = [known[word] for word in sequence]
        row[len(sequence)] = END
    return filled


def _as_tensor(tokens: np.ndarray[Any, Any]) -> torch.Tensor:

    return torch.from_numpy(tokens.astype(np.int32))
