"""Sections of a model card that commands write and replace, beside what people write."""

from __future__ import annotations

from pathlib import Path

from optnas.errors import UserError
from optnas.files import replace_file
from optnas.shown import plain
from optnas.winner.names import CARD, inside

__all__ = ["put_section", "read_card", "section", "with_section"]

# More is no card.
_MOST_BYTES = 16 * 2**20


def put_section(folder: Path, name: str, body: str) -> bool:
    """Write a section into the card in ``folder``; return whether it has a card.

    Raises:
        UserError: If the card cannot be read or written.
    """
    text = read_card(folder)
    if text is None:
        return False
    new = with_section(text, name, body)
    if new != text:
        replace_file(inside(folder, CARD), new)
    return True


def read_card(folder: Path) -> str | None:
    """Return the text of the card in ``folder``, or ``None`` if there is none.

    Raises:
        UserError: If it cannot be read.
    """
    path = inside(folder, CARD)
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise UserError(f"{path} has more than {_MOST_BYTES:,} bytes, more than any model card")
        return content.decode("utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8: convert it, or remove it") from None


def with_section(text: str, name: str, body: str) -> str:
    """Return a card with a section between two comments, in place of the one of that name, or at the end.

    What stands outside of the two comments is as it was.
    """
    start, end = _marks(name)
    new = section(name, body)
    first = text.find(start)
    last = text.find(end, first + len(start)) if first >= 0 else -1
    if last < 0:  # none yet, or someone removed a mark, whose text is left to them
        return f"{text.rstrip()}\n\n{new}\n"
    return text[:first] + new + text[last + len(end) :]


def section(name: str, body: str) -> str:
    """Return a section between its two comments."""
    start, end = _marks(name)
    return f"{start}\n\n{body.strip()}\n\n{end}"


def _marks(name: str) -> tuple[str, str]:
    # Two hyphens would end a comment.
    shown = plain(name).replace("--", "- -").replace(">", "&gt;")
    return f"<!-- optnas {shown}: written by optnas, and replaced by it -->", f"<!-- end of {shown} -->"
