"""Whether this process is a command's own, or a program of the user's, such as a notebook."""

from __future__ import annotations

__all__ = ["is_own", "set_own"]

_own = False


def set_own() -> None:
    """Note that this process is a command's own: it ends soon after SIGTERM or SIGHUP, whatever happens."""
    global _own
    _own = True


def is_own() -> bool:
    """Return whether this process is a command's own."""
    return _own
