"""Conversion of values to the form that a tree holds, and to text."""

from __future__ import annotations

import math
from typing import Any

from optnas.space.errors import SpaceError

__all__ = ["TreeValue", "text_of", "tree_value"]

# The limit of integers in databases and tensors; Python refuses to print much longer ones.
_MOST_BITS = 63


class TreeValue:
    """Base class of nodes, holes and ops, which a tree holds besides plain values (an op as its node)."""

    @property
    def _text(self) -> str:
        return repr(self)

    def _in_tree(self) -> Any:
        return self

    def _content(self) -> tuple[Any, ...]:
        """Return what it consists of, for :func:`~optnas.space.source.digest_of`."""
        raise NotImplementedError


def tree_value(value: Any, where: str) -> Any:
    """Convert ``value`` to the form in which a tree holds it.

    A bare op becomes a node, a list a tuple, a NumPy scalar a Python one.

    Raises:
        SpaceError: If a tree cannot hold the value.
    """
    if isinstance(value, TreeValue):
        return value._in_tree()
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, list | tuple):
        return tuple(tree_value(item, where) for item in value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return tree_value(value.item(), where)
    # Subclasses (enumerations) do not print as the plain value that is meant.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            raise SpaceError(f"{where}: a whole number of {value.bit_length()} bits is too large")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SpaceError(f"{where}: {value!r} is not a finite number")
        return float(value)
    raise SpaceError(
        f"{where}: {value!r} cannot stand in a tree: use a number, a text, an op's node or a hole"
    )


def text_of(value: Any) -> str:
    """Return the Python text of a value of a tree, as :func:`~optnas.space.parse.parse` reads it."""
    if isinstance(value, TreeValue):
        return value._text
    if isinstance(value, tuple):
        return f"({', '.join(map(text_of, value))}{',' if len(value) == 1 else ''})"
    return repr(value)
