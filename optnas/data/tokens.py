"""Tokens of sequences: the special ones, and what the others stand for."""

from __future__ import annotations

from typing import Any

__all__ = ["BEGIN", "END", "PADDING", "SPECIAL", "checked_words"]

PADDING, BEGIN, END = 0, 1, 2
"""Tokens that fill sequences up, and stand where a target begins and ends; words are numbered from 3 on."""

SPECIAL = ("<padding>", "<begin>", "<end>")

_MOST_WORDS = 10_000_000


def checked_words(words: Any) -> tuple[Any, ...]:
    """Return what tokens stand for, as JSON has it.

    Raises:
        ValueError, TypeError: If it is no list of texts and whole numbers, the special ones first.
    """
    found = tuple(words)
    if not all(isinstance(word, str | int) for word in found):
        raise TypeError("words must be texts or whole numbers")
    if found[: len(SPECIAL)] != SPECIAL or not len(SPECIAL) < len(found) <= _MOST_WORDS:
        raise ValueError(f"{len(found)} words are none, too many, or without the special ones")
    return found
