"""Texts that people read: time spans."""

from __future__ import annotations

__all__ = ["duration"]


def duration(seconds: float | None) -> str:
    """Format a time span as hours, minutes and seconds: 0:01:40.

    >>> duration(100)
    '0:01:40'
    """
    if seconds is None:
        return "–"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}"
