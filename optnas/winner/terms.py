"""Statements of people in a model card, which they may also make later."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optnas.files import replace_file
from optnas.reports.markdown import as_text
from optnas.winner.front_matter import front_matter
from optnas.winner.names import CARD, inside
from optnas.winner.sections import read_card, with_section

__all__ = ["NAME", "restate", "terms"]

NAME = "statements"

_SAID = {
    "license": "Licence of the model",
    "data_source": "Source of the data",
    "data_license": "Licence of the data",
    "datasets": "Data sets of the Hugging Face Hub",
    "language": "Language",
    "intended_use": "Intended use",
    "out_of_scope": "Not for",
    "contact": "Contact",
}
_ADDRESS = re.compile(r"https?://[^\s<>\\|`]+")
# Of these a reader is told that nobody stated them.
_EXPECTED = ("license", "data_source", "data_license", "intended_use")


def terms(record: Mapping[str, Any]) -> str:
    """Return the statements as a list in Markdown, and what is not stated."""
    stated = record.get("card", {})
    lines = []
    for name, called in _SAID.items():
        value = stated.get(name)
        if value:
            told = ", ".join(value) if isinstance(value, list) else value
            lines.append(f"- {called}: {f'<{told}>' if _ADDRESS.fullmatch(told) else as_text(told)}")
        elif name in _EXPECTED:
            lines.append(f"- {called}: not stated")
    return "\n".join(lines)


def restate(
    folder: Path, record: Mapping[str, Any], before: Mapping[str, Any], kinds: tuple[str, str]
) -> None:
    """Write new statements into a card that is there, and leave the rest of it as it is.

    Args:
        folder: The network's folder.
        record: What ``metrics.json`` says now.
        before: What it said when the card was written.
        kinds: The kind of its inputs and of its answers.
    """
    text = read_card(folder)
    if text is None:
        return
    head = front_matter(before, folder.name, kinds)
    if text.startswith(head):  # else someone has metadata of their own
        text = front_matter(record, folder.name, kinds) + text[len(head) :]
    replace_file(inside(folder, CARD), with_section(text, NAME, terms(record)))
