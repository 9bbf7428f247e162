"""Longest paths of layers through parts of a network that have several inputs or outputs.

A path's length is its number of layers with weights. Following each pair of an input and an output apart
makes the depth of a whole network exact; one number a part would add up layers that are on no common path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from optnas.space.shapes import AnyShape, Shapes

__all__ = ["Paths", "Place", "after", "between_all", "kept", "longest", "places"]

Place = tuple[str, ...]
"""Which of several tensors, by name and by names within it; ``()`` where there is one tensor."""

Paths = Mapping[Place, Mapping[Place, int]]
"""For each output the layers on the longest path from each input that it depends on."""


def places(shape: AnyShape) -> Iterator[Place]:
    """Yield the places of the tensors of ``shape``."""
    if not isinstance(shape, Shapes):
        yield ()
        return
    for name, each in shape.items():
        for place in places(each):
            yield (name, *place)


def kept(shape: AnyShape) -> Paths:
    """Return the paths of what passes on all that comes in."""
    return {place: {place: 0} for place in places(shape)}


def between_all(inputs: AnyShape, outputs: AnyShape, layers: int) -> Paths:
    """Return paths of equal length from each input to each output."""
    return {out: dict.fromkeys(places(inputs), layers) for out in places(outputs)}


def after(first: Paths, following: Paths) -> Paths:
    """Return the paths through one part and then another."""
    return {out: _furthest(first, reached) for out, reached in following.items()}


def _furthest(first: Paths, reached: Mapping[Place, int]) -> Mapping[Place, int]:
    found: dict[Place, int] = {}
    for middle, layers in reached.items():
        for place, before in first[middle].items():
            found[place] = max(found.get(place, 0), before + layers)
    return found


def longest(paths: Paths) -> int:
    """Return the number of layers on the longest of all paths."""
    return max((layers for reached in paths.values() for layers in reached.values()), default=0)
