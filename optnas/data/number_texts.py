"""Numbers written as texts: decimal marks, thousands separators, percent signs, currencies and units."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

__all__ = ["Decimal", "Numbers", "either_way", "example_of", "numbers_by", "numbers_in"]

Decimal = Literal[".", ","]

# A letter, and no fraction such as ½, which is a part of the number.
_LETTER = r"[^\W\d_¹²³¼-¾\u2070-\u209f\u2150-\u218b\u2460-\u24ff]"

# A sign, a currency before the number or a unit behind it; the sign may stand behind the currency.
_AROUND = re.compile(
    r"(?P<sign>[+-]?)\s*(?P<before>[$€£¥₹]|[A-Z]{3}(?=\s))?\s*(?P<inner>[+-]?)"
    r"(?P<number>[.,]?[0-9][0-9.,'  \u00a0\u202f]*?)(?P<power>[eE][+-]?[0-9]+)?"
    rf"\s*(?P<after>[%‰$€£¥₹°µ]?{_LETTER}*[²³]?(?:/{_LETTER}+[²³]?)?)"
)
_GROUPED = re.compile(r"[0-9]{1,3}([' \u00a0\u202f])[0-9]{3}(?:\1[0-9]{3})*(?=[.,]|$)")
_READINGS: dict[Decimal, re.Pattern[str]] = {
    ".": re.compile(r"(?:[0-9]+|[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.[0-9]*)?|\.[0-9]+"),
    ",": re.compile(r"(?:[0-9]+|[1-9][0-9]{0,2}(?:\.[0-9]{3})+)(?:,[0-9]*)?|,[0-9]+"),
}
_ENDLESS = {"inf": np.inf, "infinity": np.inf, "-inf": -np.inf, "-infinity": -np.inf, "+inf": np.inf}


@dataclasses.dataclass(frozen=True, eq=False)
class Numbers:
    """Numbers parsed from texts.

    Attributes:
        values: The number of each text, float64; NaN where it is none.
        unit: What stands beside every number, such as ``%`` or ``$``; empty if nothing does.
        decimal: The decimal mark that the texts themselves prove; ``None`` if they fit either.
        unsure: Whether their values differ by the decimal mark, which they do not prove.
        grouped: Whether a number has separators of thousands.
        whole: Whether all numbers are written as whole ones.
    """

    values: np.ndarray[Any, Any]
    unit: str
    decimal: Decimal | None
    unsure: bool
    grouped: bool
    whole: bool


def numbers_in(texts: Sequence[str], decimal: Decimal | None = None) -> Numbers:
    """Read texts as numbers; with ``decimal`` as the mark where the texts do not show it by themselves.

    A text with another unit than most numbers have is no number, nor is one whose marks contradict them.
    """
    found = [_parts(text) for text in texts]
    units = Counter(part[3] for part in found if part is not None)
    unit = units.most_common(1)[0][0] if units else ""
    bodies = [part[1] if part is not None and part[3] == unit else None for part in found]
    fits = {
        mark: [body is not None and pattern.fullmatch(body) is not None for body in bodies]
        for mark, pattern in _READINGS.items()
    }
    either = list(zip(fits["."], fits[","], strict=True))
    proofs = {".": sum(a and not b for a, b in either), ",": sum(b and not a for a, b in either)}
    proven: Decimal | None = None
    if proofs["."] or proofs[","]:
        proven = "." if proofs["."] >= proofs[","] else ","
    mark = proven or decimal or "."
    values = np.array([_value(text, part, unit, mark) for text, part in zip(texts, found, strict=True)])
    used = [b for b, good in zip(bodies, fits[mark], strict=True) if good and b is not None]
    marked = any("," in body or "." in body for body in used)
    other = "," if mark == "." else "."
    return Numbers(
        values.astype(np.float64),
        unit,
        proven,
        unsure=proven is None and marked,
        grouped=any(other in body for body in used) or any(part is not None and part[4] for part in found),
        whole=not any(mark in body for body in used) and not any(p is not None and p[2] for p in found),
    )


def numbers_by(texts: Sequence[str], decimal: Decimal, unit: str) -> np.ndarray[Any, Any]:
    """Read texts as numbers with a known decimal mark and unit, float64; NaN where one is none."""
    return np.array([_value(text, _parts(text), unit, decimal) for text in texts], dtype=np.float64)


def _value(text: str, part: tuple[str, str, str, str, bool] | None, unit: str, mark: Decimal) -> float:
    """Return the number of a text of which ``part`` are the parts; NaN if it is none in that unit."""
    if part is not None and part[3] == unit and _READINGS[mark].fullmatch(part[1]):
        plain = part[1].replace("," if mark == "." else ".", "").replace(",", ".")
        return float(f"{part[0]}{plain}{part[2]}")
    return _ENDLESS.get(text.lower(), np.nan)


def either_way(texts: Sequence[str], read: Numbers, decimal: Decimal | None) -> str | None:
    """Return in words which number may be one of two; ``None`` if ``decimal`` or the texts tell the mark."""
    if decimal is not None or not (read.unsure and read.grouped):
        return None
    example = next(text for text in texts if "," in text)
    return f"holds {example!r}, which is {example.replace(',', '')} or {example.replace(',', '.')}"


def example_of(texts: Sequence[str], read: Numbers, decimal: Decimal | None) -> str | None:
    """Return how a number that is not written plainly was read, in words; ``None`` if all are."""
    mark = read.decimal or decimal
    if not (read.unit or read.grouped or (mark == "," and any("," in text for text in texts))):
        return None
    example = max(texts, key=lambda text: sum(not character.isdigit() for character in text))
    return f"{example!r} is {numbers_in([example], mark).values[0]:.15g}"


def _parts(text: str) -> tuple[str, str, str, str, bool] | None:
    """Return sign, digits with marks, power, unit, and whether spaces grouped the digits."""
    text = text.replace("\u2212", "-")
    negative = text.startswith("(") and text.endswith(")")
    match = _AROUND.fullmatch(text[1:-1] if negative else text)
    if match is None or (match["before"] and match["after"]):
        return None
    signs = [sign for sign in (match["sign"], match["inner"], "-" if negative else "") if sign]
    if len(signs) > 1:
        return None
    body, spaced = match["number"].rstrip(), False
    if (grouped := _GROUPED.match(body)) is not None:
        body = grouped[0].replace(grouped[1], "") + body[grouped.end() :]
        spaced = True
    unit = match["before"] or match["after"]
    return "".join(signs), body, match["power"] or "", unit, spaced
