"""Shapes of tensors without the batch: of one, or of several by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Union

from optnas.space.errors import BuildError

__all__ = ["AnyShape", "Shape", "Shapes", "as_shape", "is_image", "numbers_in", "plain_shape", "shape_text"]

Shape = tuple[int, ...]
"""A tensor's shape, e.g. ``(channels, height, width)``; ``()`` for one number."""

AnyShape = Union[Shape, "Shapes"]
"""The shape of one tensor, or those of several by name."""


class Shapes(Mapping[str, Any]):
    """The shapes of several tensors by name, such as a network's inputs or the outputs of its heads.

    Immutable and hashable; those of a tuple have the names ``"0"``, ``"1"``, ….
    """

    def __init__(self, shapes: Mapping[str, AnyShape]) -> None:
        self._shapes = dict(shapes)
        self._hash = hash(frozenset(self._shapes.items()))

    def __getitem__(self, name: str) -> AnyShape:
        return self._shapes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shapes) and self._shapes == other._shapes

    def __repr__(self) -> str:
        return shape_text(self)


def as_shape(given: Any) -> AnyShape:
    """Return a shape from a tuple or list of sizes, or from a mapping of shapes by name.

    Raises:
        BuildError: If it is neither, or a size is less than 1.
    """
    if isinstance(given, Mapping):
        if not given:
            raise BuildError("{} is not a shape: name at least one tensor")
        return Shapes({str(name): as_shape(shape) for name, shape in given.items()})
    try:
        sizes = tuple(int(size) for size in given)
    except (TypeError, ValueError):
        raise BuildError(f"{given!r} is not a shape: give e.g. (channels, height, width)") from None
    if any(size < 1 for size in sizes):
        raise BuildError(f"{given!r} is not a shape: every size must be at least 1")
    return sizes


def plain_shape(shape: AnyShape) -> Any:
    """Return a shape as lists and dictionaries, for JSON."""
    if isinstance(shape, Shapes):
        return {name: plain_shape(each) for name, each in shape.items()}
    return list(shape)


def shape_text(shape: AnyShape) -> str:
    """Return a shape in words: ``3×32×32``, or ``user 1, picture 3×32×32`` of several."""
    if isinstance(shape, Shapes):
        return ", ".join(f"{name} {shape_text(each)}" for name, each in shape.items())
    return "×".join(map(str, shape)) or "1"


def numbers_in(shape: AnyShape) -> int:
    """Return how many numbers tensors of this shape hold together."""
    if isinstance(shape, Shapes):
        return sum(numbers_in(each) for each in shape.values())
    product = 1
    for size in shape:
        product *= size
    return product


def is_image(shape: AnyShape) -> bool:
    """Return whether it is one tensor (channels, height, width)."""
    return isinstance(shape, tuple) and len(shape) == 3
