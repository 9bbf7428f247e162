"""Errors of search spaces and architectures."""

from __future__ import annotations

__all__ = ["BuildError", "OpError", "SpaceError", "UncountableError"]


class SpaceError(ValueError):
    """Invalid search space, text of an architecture, or set of parameters."""


class BuildError(SpaceError):
    """Architecture that cannot be built for the given input shape; the message names the node."""


class OpError(BuildError):
    """Mistake in an op of the user's own, not an architecture that does not fit; the cause is the mistake."""


class UncountableError(OpError):
    """Op of the user's own that works perhaps, but cannot be counted on the meta device."""
