"""Folding of repeated layers or blocks in a row into one that is marked with their number, such as ×3."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from optnas.cost import Cost
from optnas.drawing.parts import Chain, Frame, Part

__all__ = ["folded"]

# The longest pattern of layers that is looked for.
_LONGEST = 12
# What a frame around a pattern counts, in boxes.
_FRAME = 0.5


def folded(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the parts with equal ones in a row, or equal runs of several, made one that says how often.

    Of all ways, it is the one with the fewest boxes.
    """
    found: list[Part] = []
    at = 0
    for length, times in _runs(parts):
        run = parts[at : at + length]
        if times == 1 or length == 1:
            found.append(dataclasses.replace(run[0], times=times) if times > 1 else run[0])
        else:
            body = Chain(parts=folded(run), before=run[0].before, after=run[-1].after)
            found.append(
                Frame(title="", body=body, times=times, cost=_sum(run), before=body.before, after=body.after)
            )
        at += length * times
    return tuple(found)


def _runs(parts: Sequence[Part]) -> list[tuple[int, int]]:
    """Return the lengths of patterns, from the first part to the last, and how often each stands in a row."""
    numbers: dict[object, int] = {}
    names = [numbers.setdefault(part.same, len(numbers)) for part in parts]
    count = len(names)
    times_of = [_times(names, length) for length in range(1, min(_LONGEST, count // 2) + 1)]
    # For each position, the boxes from there to the end at best, and the pattern to begin with.
    best: list[tuple[float, int, int]] = [(0.0, 0, 0)] * (count + 1)
    for at in reversed(range(count)):
        ways = [(1 + best[at + 1][0], 1, 1)]
        for length, each in enumerate(times_of, 1):
            if (times := each[at]) > 1:
                boxes = length + (_FRAME if length > 1 else 0)
                ways.append((boxes + best[at + length * times][0], length, times))
        best[at] = min(ways)
    runs: list[tuple[int, int]] = []
    at = 0
    while at < count:
        _, length, times = best[at]
        runs.append((length, times))
        at += length * times
    return runs


def _times(names: Sequence[int], length: int) -> list[int]:
    """Return for each position how often the pattern of a length that begins there stands in a row.

    It takes one pass: thousands of equal layers are a short text, and anyone can write it into a record.
    """
    # For each position, how many names from there on are those one pattern later.
    equal = [0] * (len(names) + 1)
    for at in reversed(range(len(names) - length)):
        equal[at] = equal[at + 1] + 1 if names[at] == names[at + length] else 0
    return [1 + each // length for each in equal]


def _sum(parts: Sequence[Part]) -> Cost | None:
    if any(part.cost is None for part in parts):
        return None
    total: Cost | None = None
    for part in parts:
        for _ in range(part.times):
            total = part.cost if total is None else total.then(part.cost)  # type: ignore[arg-type]
    return total
