"""Caches of results by tree, which are all cleared when a registered op is replaced."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

__all__ = ["forget", "remembered"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

_memories: list[Callable[[], None]] = []


def remembered(most: int) -> Callable[[_Function], _Function]:
    """Cache up to ``most`` results of a function, until :func:`forget` is called.

    Results are keyed by trees, which compare ops by name and source.
    """

    def decorate(function: _Function) -> _Function:
        cached = lru_cache(maxsize=most)(function)
        _memories.append(cached.cache_clear)
        return cached  # type: ignore[return-value]

    return decorate


def forget() -> None:
    """Clear the caches of all functions decorated by :func:`remembered`."""
    for clear in _memories:
        clear()
