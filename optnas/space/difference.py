"""Finding the first place where an architecture that is not of a search space differs from it."""

from __future__ import annotations

import difflib
from typing import Any, NamedTuple

from optnas.space.holes import Hole
from optnas.space.node import Node
from optnas.space.values import text_of

__all__ = ["Difference", "Position", "most_similar", "shortened", "weight"]

_LINE = 100
_MOST_NAMED = 6
# So many architectures have one that resembles the given one; of long texts the beginning tells it.
_SAMPLED, _COMPARED = 50, 400


class Position(NamedTuple):
    """Where in an architecture a value stands.

    Attributes:
        before: Number of nodes and values in front of it, from left to right.
        within: The node that it is an argument or child of; ``None`` for the whole.
    """

    before: int = 0
    within: Node | None = None

    def after(self, *values: Any) -> Position:
        """Return the position behind ``values``, which stand here."""
        return Position(self.before + sum(map(weight, values)), self.within)


class Difference:
    """The first difference: the one furthest to the right of all that a search for a match has met."""

    def __init__(self) -> None:
        self._at = -1
        self._said = ""
        self._instead: list[str] = []

    def stands(self, position: Position, value: Any, pattern: Any) -> None:
        """Note that ``value`` stands where the space has ``pattern``."""
        where = "" if isinstance(value, Node) or position.within is None else f" in {_brief(position.within)}"
        self._note(position, f"{_brief(value)}{where} stands where the space has ", _brief(pattern))

    def count(self, position: Position, few: bool) -> None:
        """Note that a node has too many or too few children."""
        if position.within is not None:
            self._note(position, f"{_brief(position.within)} has too {'few' if few else 'many'} parts")

    def _note(self, position: Position, said: str, instead: str = "") -> None:
        better = position.before == self._at and bool(instead) > bool(self._instead)
        if position.before > self._at or better:
            self._at, self._said, self._instead = position.before, said, []
        if position.before == self._at and instead and instead not in self._instead:
            self._instead.append(instead)

    def __str__(self) -> str:
        named = self._instead[:_MOST_NAMED]
        more = ["…"] if len(self._instead) > len(named) else []
        *most, last = [*named, *more] or [""]
        return self._said + (f"{', '.join(most)} or {last}" if most else last)


def weight(value: Any) -> int:
    """Return the number of nodes and values in ``value``, itself included."""
    if isinstance(value, Node):
        return 1 + sum(weight(content) for _, content in value.args) + sum(map(weight, value.children))
    return 1 + sum(map(weight, value)) if isinstance(value, tuple) else 1


def most_similar(space: Node, architecture: Node) -> str:
    """Return the text of the architecture of ``space``, among random ones, that is most like the given."""
    given = str(architecture)[:_COMPARED]
    texts = {str(space.sample(seed)) for seed in range(_SAMPLED)}
    return max(sorted(texts), key=lambda text: difflib.SequenceMatcher(None, text[:_COMPARED], given).ratio())


def shortened(text: str, most: int = _LINE) -> str:
    """Return a text, its end cut off if it is longer than ``most`` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _brief(value: Any) -> str:
    """Return a value as text, of a node with children its name alone."""
    if isinstance(value, Node) and (value.children or any(isinstance(of, Hole) for _, of in value.args)):
        return f"{value.op.name}(…)"
    return shortened(text_of(value), 40)
