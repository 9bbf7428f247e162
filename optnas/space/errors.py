"""What can be wrong with a tree."""

from __future__ import annotations

__all__ = ["BuildError", "SpaceError"]


class SpaceError(ValueError):
    """A space, an architecture's text, or a set of parameters that does not fit together."""


class BuildError(SpaceError):
    """An architecture that cannot be built on the shape it is given; the message names the node."""
