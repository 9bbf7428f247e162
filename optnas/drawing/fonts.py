"""Widths of texts in a drawing, without a font at hand."""

from __future__ import annotations

import unicodedata

__all__ = ["FAMILY", "SMALL", "TEXT", "known", "shortened", "width_of", "wrapped"]

FAMILY = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
TEXT = 11.0
"""Size of the texts in boxes, in the drawing's units."""
SMALL = 9.5
"""Size of the texts beside boxes."""

# Advances of the characters from space to tilde in hundredths of the size: for each the wider of DejaVu Sans
# and Liberation Sans (Arial's and Helvetica's metrics). DejaVu is the widest of the usual system fonts, so
# what fits by this table fits in all of them.
_ASCII = (
    32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 34, 34, 84, 84, 84, 56, 102, 68, 69, 72, 77, 67, 61, 78, 75, 29, 50, 67, 56, 86, 75, 79,
    67, 79, 72, 67, 61, 73, 68, 99, 69, 67, 69, 39, 34, 39, 84, 56, 50, 61, 63, 55, 63, 62, 35, 63,
    63, 28, 28, 58, 28, 97, 63, 61, 63, 63, 41, 52, 39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84,
)  # fmt: skip
_OTHERS = {
    **dict.fromkeys("×±−≤⊕⊗∞", 84),
    **dict.fromkeys("→…", 100),
    **dict.fromkeys("·", 32),
    **dict.fromkeys("²³", 40),
    **dict.fromkeys("–", 56),
    **dict.fromkeys("√Σαβγστμεπ", 70),
    **dict.fromkeys("ΦΔ", 80),
}


def known(text: str) -> bool:
    """Return whether the widths of all characters are known, and not guessed."""
    return text.isascii() or all(character.isascii() or character in _OTHERS for character in text)


def width_of(text: str, size: float = TEXT) -> float:
    """Return the width of a text of that font size, at most."""
    return sum(map(_advance, text)) * size / 100


def _advance(character: str) -> int:
    code = ord(character)
    if 32 <= code < 127:
        return _ASCII[code - 32]
    if character in _OTHERS:
        return _OTHERS[character]
    return 0 if unicodedata.combining(character) else 110


def shortened(text: str, room: float, size: float = TEXT) -> str:
    """Return ``text`` cut to a width, with an ellipsis where something is missing."""
    if width_of(text, size) <= room:
        return text
    room -= width_of("…", size)
    used = 0.0
    for index, character in enumerate(text):
        used += _advance(character) * size / 100
        if used > room:
            return text[:index].rstrip() + "…" if index else ""
    return text


def wrapped(word: str, room: float, size: float = SMALL) -> list[str]:
    """Return a text on as many lines as it needs, broken at spaces."""
    lines: list[str] = []
    for piece in word.split(" "):
        longer = f"{lines[-1]} {piece}" if lines else piece
        if lines and width_of(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(piece)
    return lines
