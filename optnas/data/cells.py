"""The cells of a table as texts."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from numbers import Number
from typing import Any

import numpy as np

__all__ = ["MARKS", "MARKS_AMONG_NUMBERS", "plain_texts", "quoted"]

MARKS = frozenset(
    ["", "?", "na", "n/a", "n.a.", "nan", "none", "null", "nil", "nat", "<na>", "#n/a", "#na", "-nan"]
)
"""Texts that mean a missing value, in lower case."""
MARKS_AMONG_NUMBERS = MARKS | {
    *("-", "--", "\u2013", "\u2014", ".", "..", "...", "unknown", "unk", "missing", "undefined"),
    *("not available", "no data", "#value!", "#div/0!", "#ref!"),
}
"""Those that do among numbers and dates; among categories they may be categories."""


# Characters of a text in a message: the fewest that tell texts apart.
_LENGTHS = (30, 60, 120, 240)


def quoted(texts: Sequence[str], most: int = 3) -> str:
    """Return the first of ``texts`` in quotes, and how many more there are.

    Long ones are shortened as far as that leaves them different.
    """
    first = texts[:most]
    length = next((n for n in _LENGTHS if len({_cut(text, n) for text in first}) == len(set(first))), 0)
    shown = ", ".join(repr(_cut(text, length or _LENGTHS[-1])) for text in first)
    return shown + (f" and {len(texts) - most} more" if len(texts) > most else "")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def plain_texts(series: Any) -> list[str] | None:
    """Return a column's values as texts without spaces around them, empty where one is missing.

    ``None`` if a value is neither a text nor a number.
    """
    values = series.tolist()
    if set(map(type, values)) == {str}:
        return [value.strip() for value in values]
    values = series.astype(object).where(series.notna(), "").tolist()
    if not all(isinstance(value, str | Number | Decimal | np.bool_) for value in values):
        return None
    return [str(value).strip() for value in values]
