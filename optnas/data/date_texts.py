"""Dates written as texts, and the features that dates become."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "PERIODS",
    "Dates",
    "date_features",
    "date_places",
    "dates_by",
    "dates_in",
    "dates_with_clock",
    "since_1970",
    "zone_in",
]

Array = np.ndarray[Any, Any]

_CLOCK = re.compile(
    r"(?P<date>.*?)(?:(?:T|,?\s+)(?P<time>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?"
)
# Each way to write a date, and the formats that it may be; two of them differ in what comes first.
_WAYS: list[tuple[re.Pattern[str], tuple[str, ...]]] = [
    (re.compile(pattern), formats)
    for pattern, formats in (
        (r"\d{4}-\d{1,2}-\d{1,2}", ("%Y-%m-%d",)),
        (r"\d{4}/\d{1,2}/\d{1,2}", ("%Y/%m/%d",)),
        (r"\d{4}\.\d{1,2}\.\d{1,2}", ("%Y.%m.%d",)),
        (r"\d{4}-\d{2}", ("%Y-%m",)),
        (r"\d{8}", ("%Y%m%d",)),
        (r"\d{1,2}\.\d{1,2}\.\d{4}", ("%d.%m.%Y",)),
        (r"\d{1,2}\.\d{1,2}\.\d{2}", ("%d.%m.%y",)),
        (r"\d{1,2}/\d{1,2}/\d{4}", ("%d/%m/%Y", "%m/%d/%Y")),
        (r"\d{1,2}/\d{1,2}/\d{2}", ("%d/%m/%y", "%m/%d/%y")),
        (r"\d{1,2}-\d{1,2}-\d{4}", ("%d-%m-%Y", "%m-%d-%Y")),
        (r"\d{1,2} [^\W\d_]{3} \d{4}", ("%d %b %Y",)),
        (r"\d{1,2} [^\W\d_]{4,9} \d{4}", ("%d %B %Y",)),
        (r"\d{1,2}-[^\W\d_]{3}-\d{4}", ("%d-%b-%Y",)),
        (r"\d{1,2}-[^\W\d_]{3}-\d{2}", ("%d-%b-%y",)),
        (r"[^\W\d_]{3} \d{1,2}, \d{4}", ("%b %d, %Y",)),
        (r"[^\W\d_]{4,9} \d{1,2}, \d{4}", ("%B %d, %Y",)),
    )
]
_DAY = 86_400.0
PERIODS = {"year": 365.2425 * _DAY, "week": 7 * _DAY, "day": _DAY}
"""The periods in which a date has a place, in seconds; each began at 1970-01-01, a Thursday."""
# Three days of a year, or eleven minutes of a day: less is the drift of leap years.
_VARIES = 0.05


@dataclasses.dataclass(frozen=True, eq=False)
class Dates:
    """Dates parsed from texts.

    Attributes:
        seconds: Each date in seconds since 1970, float64; NaN where the text is none.
        format: The format of their days, as in ``strftime``.
        others: Formats that fit as well, with other dates.
        zoned: Whether they name a time zone, and so are instants in UTC.
    """

    seconds: Array
    format: str
    others: tuple[str, ...] = ()
    zoned: bool = False


def dates_by(texts: Sequence[str], form: str) -> Dates:
    """Read texts as dates by one format of ``strftime``.

    Raises:
        ValueError: If it is no format.
    """
    import pandas

    return Dates(since_1970(pandas.to_datetime(list(texts), format=form, errors="coerce", utc=True)), form)


def dates_in(texts: Sequence[str]) -> Dates | None:
    """Read texts as dates in the format that fits most of them; ``None`` if none is a date."""
    found = [_CLOCK.fullmatch(text) for text in texts]
    days = ["" if match is None else match["date"] for match in found]
    best: list[Dates] = []
    for way, formats in _WAYS:
        written = [bool(way.fullmatch(day)) for day in days]
        if 2 * sum(written) < len(days) or not any(written):
            continue
        chosen = [day if fits else "" for day, fits in zip(days, written, strict=True)]
        for form in formats:
            dates = dates_by(chosen, form)
            if not np.isnan(dates.seconds).all():
                best.append(dates)
    if not best:
        return None
    most = max(int(np.isfinite(dates.seconds).sum()) for dates in best)
    best = [dates for dates in best if np.isfinite(dates.seconds).sum() == most]
    first = best[0]
    others = tuple(
        other.format for other in best[1:] if not np.array_equal(other.seconds, first.seconds, equal_nan=True)
    )
    clock, zones = _clock(found), {bool(m["zone"]) for m in found if m is not None and m["time"]}
    if len(zones) > 1:  # with and without a zone: half of the instants would be a guess
        return None
    return Dates(first.seconds + clock, first.format, others, zoned=True in zones)


def dates_with_clock(texts: Sequence[str], form: str) -> Dates:
    """Read texts as dates by a format of :func:`dates_in`, with the time that may follow it.

    Raises:
        ValueError: If it is no such format.
    """
    way = next((way for way, formats in _WAYS if form in formats), None)
    if way is None:
        raise ValueError(f"{form!r} is no format of dates that are found in texts")
    found = [_CLOCK.fullmatch(text) for text in texts]
    days = ["" if match is None or not way.fullmatch(match["date"]) else match["date"] for match in found]
    zoned = any(match is not None and match["zone"] for match in found)
    return Dates(dates_by(days, form).seconds + _clock(found), form, zoned=zoned)


def zone_in(text: str) -> bool | None:
    """Return whether the time in a text of :func:`dates_with_clock` has a zone; ``None`` without a time."""
    match = _CLOCK.fullmatch(text)
    return None if match is None or match["time"] is None else bool(match["zone"])


def date_features(name: str, seconds: Array) -> dict[str, Array]:
    """Return a date's features by name, each float64 and NaN where the date is missing.

    They are its time, and the sine and cosine of its place in the year, the week and the day, as far as
    these places vary.
    """
    found = {name: seconds}
    for what in date_places(seconds):
        found |= {f"{name}, {what} ({f.__name__})": f(_angle(seconds, what)) for f in (np.sin, np.cos)}
    return found


def date_places(seconds: Array) -> tuple[str, ...]:
    """Return in which of the :data:`PERIODS` the places of dates vary."""
    ranges = {
        what: max(np.ptp(f(_angle(seconds[~np.isnan(seconds)], what))) for f in (np.sin, np.cos))
        for what in PERIODS
    }
    return tuple(what for what, span in ranges.items() if span > _VARIES)


def _angle(seconds: Array, what: str) -> Array:
    return 2 * np.pi * (seconds % PERIODS[what]) / PERIODS[what]


def _clock(found: list[re.Match[str] | None]) -> Array:
    """Return the seconds since midnight in UTC; 0 without a time, NaN for one that no clock shows."""
    seconds = np.zeros(len(found))
    for i, match in enumerate(found):
        if match is None or match["time"] is None:
            continue
        parts = [float(part.replace(",", ".")) for part in match["time"].split(":")]
        hour, minute, second = (*parts, 0.0)[:3]
        if match["half"]:
            hour = np.nan if not 1 <= hour <= 12 else hour % 12 + 12 * (match["half"][0] in "pP")
        if not (hour < 24 and minute < 60 and second < 61):
            hour = np.nan
        zone = (match["zone"] or "").replace(":", "").strip("ZUTCGM")
        offset = (int(zone[:3]) * 60 + int(zone[0] + (zone[3:] or "0"))) if zone else 0
        seconds[i] = 3600 * hour + 60 * (minute - offset) + second
    return seconds


def since_1970(dates: Any) -> Array:
    """Return pandas' dates in seconds since 1970 (in UTC if they have a zone), NaN where one is missing."""
    import pandas

    dates = pandas.Series(dates).reset_index(drop=True)
    if dates.dt.tz is not None:
        dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
    # In seconds: one in nanoseconds would have no difference from 9999-12-31.
    return np.asarray((dates - pandas.Timestamp("1970-01-01").as_unit("s")).dt.total_seconds(), np.float64)
