"""What is remembered about trees, by tree; forgotten together when an op is replaced by another."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

__all__ = ["forget", "remembered"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

_memories: list[Callable[[], None]] = []


def remembered(most: int) -> Callable[[_Function], _Function]:
    """Remember a function's last ``most`` results.

    Trees are equal that name equal ops, so what is known of a tree holds until a name changes hands.
    """

    def decorate(function: _Function) -> _Function:
        cached = lru_cache(maxsize=most)(function)
        _memories.append(cached.cache_clear)
        return cached  # type: ignore[return-value]

    return decorate


def forget() -> None:
    """Forget all that is remembered about trees."""
    for clear in _memories:
        clear()
