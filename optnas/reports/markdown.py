"""Markdown of texts, code and tables, with all markup in untrusted texts escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from optnas.shown import plain

__all__ = ["as_block", "as_code", "as_table", "as_text"]

# What is markup within a line of Markdown or of a table; underscores within words are not.
_MARKUP = re.compile(r"[`*<|]|~(?=~)|(?<!\w)_|_(?!\w)|\](?=[(\[])|&(?=#?\w+;)|\\(?=[^\w\s])")
# GitHub's Markdown makes links of these.
_LINK = re.compile(r":(?=//)|(?<=\bwww)\.|@(?=\w)", re.IGNORECASE)

_PLAIN_NUMBER = r"[-+−]?\d[\d,.]*(?:e[-+]?\d+)?"
# Alone, with a deviation, from one to another, or none at all; spaces may stand behind it.
_NUMBER = re.compile(rf"(?:{_PLAIN_NUMBER}(?: (?:±|to) {_PLAIN_NUMBER})?|–)(?:&emsp;)?")


def as_text(text: Any) -> str:
    """Return a text that Markdown shows as it is, within a line."""
    return _LINK.sub(r"\\\g<0>", _MARKUP.sub(r"\\\g<0>", plain(str(text))))


def as_code(text: Any) -> str:
    """Return a text as a code span, in which a backtick would end it; also within a table."""
    return "`" + plain(str(text)).replace("`", "'").replace("|", "\\|") + "`"


def as_block(text: str, language: str = "") -> str:
    """Return a text of several lines as a block of code, for viewers that colour it in its language."""
    shown = plain(text, lines=True)
    # Longer than any that stands in it.
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence}{language}\n{shown}\n{fence}"


def as_table(header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table of cells that are Markdown already; numbers are flush right, but for the first column.

    >>> print(as_table(("metric", "test"), [("accuracy", "0.9"), ("loss", "12.5")]))
    | metric | test |
    | :--- | ---: |
    | accuracy | 0.9 |
    | loss | 12.5 |
    """
    texts = [[str(cell) for cell in row] for row in rows]
    columns = list(zip(*texts, strict=True))[1:]
    sides = [":---", *("---:" if all(map(_NUMBER.fullmatch, each)) else ":---" for each in columns)]
    # Without a row no column is of anything.
    sides += [":---"] * (len(header) - len(sides))
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in (header, sides, *texts))
