"""Parameter names of holes: readable, stable, and the same for the same decision.

The name of a hole is prefixed with the nearest *scope* around it: a copy of a repeat (``layer0``) or
a named part (``stem``). A hole without a name is named by its path from the nearest name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from optnas.space.errors import SpaceError
from optnas.space.holes import Choose, Hole, Repeat
from optnas.space.node import Node

__all__ = ["ROOT", "Names", "Place", "parts"]


class Place(NamedTuple):
    """Position of a value in a search space.

    Attributes:
        scope: The nearest repeat copy or named part; ``""`` for the whole study.
        path: The parameter name of a hole without a name at this position.
    """

    scope: str = ""
    path: str = ""

    def below(self, word: str) -> Place:
        """Return the place of the part called ``word``."""
        return Place(self.scope, _join(self.path, word))

    def name(self, hole: Hole) -> str:
        """Return the full name of ``hole`` at this place; the copies of a repeat append their number."""
        if hole.name is None:
            return self.path or hole.word
        return hole.name if hole.study_wide else _join(self.scope, hole.name)

    def option(self, hole: Choose, label: Any) -> Place:
        """Return the place of an option of ``hole``."""
        return Place("" if hole.study_wide else self.scope, f"{self.name(hole)}.{label}")

    def copy(self, repeat: Repeat, index: int) -> Place:
        """Return the place of a copy of ``repeat``."""
        scope = f"{self.name(repeat)}{index}"
        return Place(scope, scope)


ROOT = Place()


def parts(node: Node, place: Place) -> Iterator[tuple[Any, Place]]:
    """Yield a node's arguments, then its children, each with its place."""
    if node.name is not None:
        scope = _join(place.scope, node.name)
        place = Place(scope, scope)
    for arg, value in node.args:
        yield value, place.below(arg)
    words = [child.op.name if isinstance(child, Node) else child.word for child in node.children]
    total, seen = Counter(words), Counter[str]()
    for child, word in zip(node.children, words, strict=True):
        yield child, place.below(f"{word}{seen[word]}" if total[word] > 1 else word)
        seen[word] += 1


class Names:
    """Holes by parameter name, with a check that no two different holes have the same name."""

    def __init__(self) -> None:
        self.holes: dict[str, Hole] = {}

    def add(self, hole: Hole, place: Place) -> str:
        """Add ``hole`` at ``place`` and return the name of its Optuna parameter.

        Raises:
            SpaceError: If a different hole has that name.
        """
        name = hole.parameter(place.name(hole))
        known = self.holes.setdefault(name, hole)
        if known != hole:
            raise SpaceError(f"two decisions are called {name!r}, {known} and {hole}: rename one of them")
        return name


def _join(prefix: str, word: str) -> str:
    return f"{prefix}.{word}" if prefix else word
