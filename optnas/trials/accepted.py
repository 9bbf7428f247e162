"""Validation of record attributes: anyone who reaches the database can write anything into it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from optnas.shown import note, one_line

__all__ = [
    "Accepts",
    "any_of",
    "claim",
    "damaged",
    "finite",
    "flag",
    "listed",
    "mapped",
    "number",
    "scalar",
    "text",
    "whole",
]

Accepts = Callable[[Any], bool]
"""Whether a value is one that optnas writes."""

# Far beyond what optnas writes: the longest architectures have thousands of characters.
_MOST_CHARACTERS = 200_000
_MOST_ENTRIES = 10_000
_LARGEST = 2**63
_MOST_TOLD = 10

_told: set[tuple[str, str]] = set()


def damaged(owner: str, name: str) -> None:
    """Say once on standard error that an attribute is ignored; of many damaged ones only the first ten."""
    if (owner, name) in _told or len(_told) > _MOST_TOLD:
        return
    _told.add((owner, name))
    more = "; further ones are not told" if len(_told) > _MOST_TOLD else ""
    note(f"optnas: {one_line(owner)[:200]}: its attribute {name[:200]!r} is damaged and ignored{more}")


def text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MOST_CHARACTERS


def flag(value: Any) -> bool:
    return isinstance(value, bool)


def whole(value: Any) -> bool:
    """Accept numbers of trials, epochs, steps and the like."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST


def number(value: Any, *, finite: bool = False) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**1000
    return isinstance(value, float) and (not finite or math.isfinite(value))


def finite(value: Any) -> bool:
    # Nearly all are of this type, and thousands of trials have a dozen each.
    return math.isfinite(value) if type(value) is float else number(value, finite=True)


def any_of(*kinds: Accepts) -> Accepts:
    return lambda value: value is None or any(kind(value) for kind in kinds)


def listed(each: Accepts, length: int | None = None) -> Accepts:
    return lambda value: (
        isinstance(value, list | tuple)
        and len(value) <= _MOST_ENTRIES
        and length in (None, len(value))
        and all(map(each, value))
    )


def mapped(each: Accepts, **known: Accepts) -> Accepts:
    """Accept values by name; those of ``known`` names have a kind of their own, and may be missing."""

    def accepts(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and len(value) <= _MOST_ENTRIES
            and all(text(name) and known.get(name, each)(item) for name, item in value.items())
        )

    return accepts


def claim(value: Any) -> bool:
    """Accept a worker's claim on a trial."""
    return _claim(value) and (not value or "pid" in value)


scalar = any_of(text, flag, number)
_claim = mapped(
    scalar,
    worker=text,
    host=text,
    machine=text,
    token=text,
    pid=whole,
    started=finite,
    parent=whole,
    parent_started=finite,
    attempt=whole,
    rungs=whole,
    beat=whole,
    seen=finite,
    epoch=finite,
    epochs=finite,
)
