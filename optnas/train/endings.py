"""Check that a search space ends with outputs that its task takes, and the op to end it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optnas.space.shapes import AnyShape, as_shape

__all__ = ["misfit_of"]


def misfit_of(shape: AnyShape, accepted: list[Any], context: Mapping[str, Any]) -> str | None:
    """Return in words what a task takes and how to end a space so; ``None`` if ``shape`` is accepted.

    Args:
        shape: The shape of a network's outputs.
        accepted: The shapes that the task takes.
        context: The task's values for ops, whose ``vocabulary`` a language model's head takes.
    """
    shapes = list(dict.fromkeys(as_shape(each) for each in accepted))
    if shape in shapes:
        return None
    endings = list(dict.fromkeys(_ending(each, context) for each in shapes))
    return f"the task takes {' or '.join(map(str, shapes))}: end the space with {' or '.join(endings)}"


def _ending(shape: AnyShape, context: Mapping[str, Any]) -> str:
    if isinstance(shape, Mapping):
        return "fork(…)"
    if len(shape) == 3:
        return f"conv({shape[0]}, 1, bias=True)"
    if len(shape) == 2:
        return "lm_head" if "vocabulary" in context else f"linear({shape[1]})"
    return "head"
