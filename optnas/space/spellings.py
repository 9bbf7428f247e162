"""Other notations of architectures, which :func:`parse` reads and :meth:`Node.to` writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from optnas.errors import nearest
from optnas.space.errors import SpaceError

if TYPE_CHECKING:
    from optnas.space.node import Node

__all__ = ["Spelling", "register_spelling", "spellings", "to"]


@dataclasses.dataclass(frozen=True)
class Spelling:
    """A notation for architectures.

    Attributes:
        name: Its name in :meth:`Node.to`.
        recognises: Returns whether a text seems to be in this notation; cheap, and never raises.
        read: Returns the tree of such a text, or raises a ``SpaceError``. It executes nothing.
        write: Returns the text of a tree, or raises a ``SpaceError``; ``None`` for reading only.
    """

    name: str
    recognises: Callable[[str], bool]
    read: Callable[[str], Node]
    write: Callable[[Node], str] | None = None


_registry: dict[str, Spelling] = {}


def register_spelling(spelling: Spelling) -> Spelling:
    """Register a notation for :func:`parse` and :meth:`Node.to`."""
    _registry[spelling.name] = spelling
    return spelling


def spellings() -> Mapping[str, Spelling]:
    """Return all registered notations by name."""
    return _registry


def to(architecture: Node, name: str) -> str:
    known = {name: spelling.write for name, spelling in _registry.items() if spelling.write is not None}
    if name not in known:
        raise SpaceError(f"no spelling is called {name!r}: {nearest(name, known)}")
    if architecture.open:
        raise SpaceError(f"{architecture} still has holes: only an architecture has other spellings")
    return known[name](architecture)
