"""Errors of search spaces and architectures."""

from __future__ import annotations

__all__ = ["BuildError", "SpaceError"]


class SpaceError(ValueError):
    """Invalid search space, text of an architecture, or set of parameters."""


class BuildError(SpaceError):
    """Architecture that cannot be built for the given input shape; the message names the node."""
