"""Measuring again where a limit is near: what else the machine does only ever adds to a figure."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from optnas.objectives import Constraint
from optnas.turn import lent

__all__ = ["NOISY", "Round", "is_noisy", "least", "measure_rounds", "near_limit", "quiet_rounds"]

_Name = TypeVar("_Name")

NOISY = frozenset({"latency_ms", "latency_p95_ms", "energy"})
"""The measured quantities that other work on the machine changes."""

# A figure is near a limit from this share below it up to so many times it beyond it: other work can make a
# latency several times as long.
_NEAR, _FAR = 0.05, 10.0

# The seconds before each further round: together longer than bursts of other work.
_PAUSES = (1.0, 2.0, 4.0)

# The same for figures that decide nothing, which are measured again only if the machine was busy.
_FEW_PAUSES = (1.0, 2.0)

# Two rounds in a row that differ by no more than this share, both in quiet moments, need no third.
_AGREE = 0.05


class Round(NamedTuple):
    """One measurement of a quantity.

    Attributes:
        figure: What was measured.
        spread: How far parts of the measurement differ from it; ``None`` if it has no parts.
        quiet: Whether the machine did nothing else, as far as it can be told.
    """

    figure: float
    spread: float | None = None
    quiet: bool = False


def measure_rounds(
    once: Callable[[Collection[str]], Mapping[str, Round]],
    names: Collection[str],
    near: Callable[[Mapping[str, float]], bool],
    pauses: Iterable[float] = _PAUSES,
) -> dict[str, list[Round]]:
    """Measure quantities; the noisy ones again, after a pause, as long as a limit is near.

    Args:
        once: Measures quantities by their names.
        names: The quantities.
        near: Returns whether a limit is near, for the least figure of each quantity so far.
        pauses: The seconds before each further round.

    Returns:
        The rounds of each quantity. The least figure counts.
    """
    rounds = {name: [found] for name, found in once(names).items()}
    again = [name for name in names if name in NOISY]
    for seconds in pauses if again else ():
        if not near({name: least(found).figure for name, found in rounds.items()}):
            break
        if all(_agree(rounds[name]) for name in again):
            break
        with lent():
            time.sleep(seconds)
        for name, found in once(again).items():
            rounds[name] = [*rounds.get(name, ()), found]
    return rounds


def quiet_rounds(
    once: Callable[[Collection[_Name]], Mapping[_Name, Round]],
    names: Collection[_Name],
    pauses: Iterable[float] = _FEW_PAUSES,
) -> dict[_Name, float]:
    """Measure quantities; again, after a pause, those that were measured while the machine did other work.

    Args:
        once: Measures quantities by their names.
        names: The quantities.
        pauses: The seconds before each further round.

    Returns:
        The least figure of each quantity.
    """
    rounds = {name: [found] for name, found in once(names).items()}
    for seconds in pauses:
        again = [name for name, found in rounds.items() if not found[-1].quiet]
        if not again:
            break
        with lent():
            time.sleep(seconds)
        for name, found in once(again).items():
            rounds[name].append(found)
    return {name: least(found).figure for name, found in rounds.items()}


def least(rounds: Iterable[Round]) -> Round:
    """Return the round with the least figure."""
    return min(rounds, key=lambda once: once.figure)


def _agree(rounds: list[Round]) -> bool:
    *_, before, last = [None, *rounds]
    if before is None or not (before.quiet and last.quiet):
        return False
    return abs(before.figure - last.figure) <= _AGREE * min(before.figure, last.figure)


def is_noisy(limit: Constraint, measured: Collection[str]) -> bool:
    """Return whether a limit depends on a noisy quantity; a function may look at all that is measured."""
    return not NOISY.isdisjoint(measured if limit.needs is None else limit.needs)


def near_limit(limits: Iterable[Constraint], subject: Any, costs: Mapping[str, float]) -> bool:
    """Return whether ``costs`` break one of the limits or are near it, and none is broken beyond doubt.

    Args:
        limits: Those that depend on a noisy quantity.
        subject: The candidate with these costs, for limits that are functions.
        costs: All costs known so far.
    """
    near = False
    for limit in limits:
        if limit.needs is None:
            near = near or limit.violation(subject) > 0
        elif limit.needs <= costs.keys():
            violation = limit.violation(costs)
            if violation > _FAR:
                return False
            near = near or violation > -_NEAR
    return near
