"""Search for the parameters with which a search space yields a given architecture."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from optuna.distributions import CategoricalDistribution

from optnas.space.difference import Difference, Position, most_similar, shortened
from optnas.space.errors import SpaceError
from optnas.space.holes import Choose, Hole, Repeat
from optnas.space.names import ROOT, Names, Place, parts
from optnas.space.node import Node

__all__ = ["params"]

# Matching can take exponentially many steps in an ambiguous space; no real space comes near this.
_MOST_STEPS = 1_000_000


def params(space: Node, architecture: Node, *, most_steps: int = _MOST_STEPS) -> dict[str, Any]:
    if not isinstance(architecture, Node) or architecture.open:
        raise SpaceError(f"{architecture} is not an architecture: it has holes of its own")
    matcher = _Matcher(most_steps)
    try:
        found = matcher.match(space, architecture)
    except RecursionError:
        raise SpaceError("this architecture is too large to recognise") from None
    if found is None:
        raise SpaceError(
            f"{shortened(str(architecture))} is not an architecture of this space: {matcher.difference}."
            f" One of it is {shortened(most_similar(space, architecture))}"
        )
    return found


class _Matcher:
    """Backtracking search that tries patterns from left to right, alternatives in the order of the space."""

    def __init__(self, most_steps: int) -> None:
        self.most_steps = most_steps
        self.steps = 0
        self.names = Names()
        self.difference = Difference()

    def match(self, space: Node, architecture: Node) -> dict[str, Any] | None:
        for bound in self._sequence([(space, ROOT)], (architecture,), {}, Position()):
            return bound
        return None

    def _sequence(
        self, patterns: list[tuple[Any, Place]], values: tuple[Any, ...], bound: dict[str, Any], at: Position
    ) -> Iterator[dict[str, Any]]:
        """Yield each extension of ``bound`` with which the patterns together match all the values."""
        self.steps += 1
        if self.steps > self.most_steps:
            raise SpaceError("this space is too ambiguous to recognise that architecture in it")
        # Equal parts at the start need no search; skipping them keeps the recursion shallow.
        settled = 0
        while settled < min(len(patterns), len(values)) and patterns[settled][0] == values[settled]:
            settled += 1
        at = at.after(*values[:settled])
        patterns, values = patterns[settled:], values[settled:]
        # Checking the counts first avoids trying numbers of copies that can never match.
        spans = [_span(pattern) for pattern, _ in patterns]
        fewest, most = sum(low for low, _ in spans), sum(high for _, high in spans)
        if not fewest <= len(values) <= most:
            self.difference.count(at, len(values) < fewest)
            return
        if not patterns:
            yield bound
            return
        (pattern, place), rest = patterns[0], patterns[1:]
        if isinstance(pattern, Repeat):
            for count, extended in self._bindings(
                pattern, place, bound, range(pattern.low, pattern.high + 1)
            ):
                copies = [(pattern.copy(i), place.copy(pattern, i)) for i in range(count)]
                yield from self._sequence(copies + rest, values, extended, at)
        elif isinstance(pattern, Choose):
            for label, extended in self._bindings(pattern, place, bound, pattern.labels):
                option = (pattern.by_label[label], place.option(pattern, label))
                yield from self._sequence([option, *rest], values, extended, at)
        else:
            fits = False
            for extended in self._one(pattern, place, values[0], bound, at):
                fits = True
                yield from self._sequence(rest, values[1:], extended, at.after(values[0]))
            if not fits:
                self.difference.stands(at, values[0], pattern)

    def _bindings(
        self, hole: Hole, place: Place, bound: dict[str, Any], candidates: Any
    ) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Yield each possible value of ``hole``, with ``bound`` extended by that value."""
        if isinstance(hole, Repeat) and hole.low == hole.high:
            yield hole.low, bound
            return
        name = self.names.add(hole, place)
        if name in bound:
            yield bound[name], bound
            return
        for candidate in candidates:
            yield candidate, {**bound, name: candidate}

    def _one(
        self, pattern: Any, place: Place, value: Any, bound: dict[str, Any], at: Position
    ) -> Iterator[dict[str, Any]]:
        """Yield each extension of ``bound`` with which ``pattern`` matches the single ``value``."""
        if isinstance(pattern, Node):
            if not isinstance(value, Node) or pattern.op.name != value.op.name:
                return
            if [arg for arg, _ in pattern.args] != [arg for arg, _ in value.args]:
                return
            inside = list(parts(pattern, place))
            split = len(pattern.args)
            contents = tuple(content for _, content in value.args)
            first = Position(at.before + 1, value)
            for extended in self._sequence(inside[:split], contents, bound, first):
                yield from self._sequence(inside[split:], value.children, extended, first.after(*contents))
        elif isinstance(pattern, tuple):
            if isinstance(value, tuple):
                items = [(item, place.below(str(i))) for i, item in enumerate(pattern)]
                yield from self._sequence(items, value, bound, Position(at.before + 1, at.within))
        elif isinstance(pattern, Hole):
            name = self.names.add(pattern, place)
            if name in bound:
                if _same(bound[name], value):
                    yield bound
            elif _contains(pattern, value):
                distribution = pattern.distribution
                value = distribution.to_external_repr(distribution.to_internal_repr(value))
                yield {**bound, name: value}
        elif _same(pattern, value):
            yield bound


@lru_cache(maxsize=4096)
def _span(pattern: Any) -> tuple[int, int]:
    """Return the smallest and the largest number of values that ``pattern`` can match."""
    if isinstance(pattern, Choose):
        lows, highs = zip(*map(_span, pattern.options), strict=True)
        return min(lows), max(highs)
    if isinstance(pattern, Repeat):
        low, high = _span(pattern.body)
        return pattern.low * low, pattern.high * high
    return 1, 1


def _same(one: Any, other: Any) -> bool:
    """Return whether two scalars are equal in an architecture: 1 equals 1.0, but not ``True``."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _contains(hole: Hole, value: Any) -> bool:
    distribution = hole.distribution
    if isinstance(distribution, CategoricalDistribution) or isinstance(value, bool):
        return False
    if not isinstance(value, int | float):
        return False
    return distribution._contains(distribution.to_internal_repr(value))
