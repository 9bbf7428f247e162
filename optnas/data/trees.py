"""Trees of tensors: what a network takes, or learns, is one tensor, or several in a tuple or by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from optnas.space.shapes import AnyShape, Shapes

__all__ = ["Tree", "device_of", "first", "joined", "leaves", "mapped", "pieces", "samples_in", "shape_of"]

Tree = Any
"""A tensor, a tuple of trees, or a dictionary of trees by name; all have the same samples."""


def mapped(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """Return a tree of what ``function`` returns for each tensor, with those in its place in ``others``."""
    if isinstance(tree, Mapping):
        return {
            name: mapped(function, each, *(other[name] for other in others)) for name, each in tree.items()
        }
    if isinstance(tree, tuple):
        return tuple(mapped(function, *each) for each in zip(tree, *others, strict=True))
    return function(tree, *others)


def leaves(tree: Tree) -> Iterator[Any]:
    """Yield the tensors of a tree."""
    if isinstance(tree, Mapping):
        for each in tree.values():
            yield from leaves(each)
    elif isinstance(tree, tuple):
        for each in tree:
            yield from leaves(each)
    else:
        yield tree


def first(tree: Tree) -> Tensor:
    """Return the first tensor of a tree."""
    found: Tensor = next(leaves(tree))
    return found


def samples_in(tree: Tree) -> int:
    """Return the number of samples of a tree, the length of its tensors."""
    return len(first(tree))


def device_of(tree: Tree) -> torch.device:
    return first(tree).device


def shape_of(tree: Tree) -> AnyShape:
    """Return the shape of one sample: of a tensor as a tuple, of several by their names or places."""
    if isinstance(tree, Mapping):
        return Shapes({name: shape_of(each) for name, each in tree.items()})
    if isinstance(tree, tuple):
        return Shapes({str(place): shape_of(each) for place, each in enumerate(tree)})
    return tuple(tree.shape[1:])


def pieces(tree: Tree, size: int) -> Iterator[Tree]:
    """Yield a tree's samples in order, ``size`` at a time."""
    if isinstance(tree, Tensor):
        yield from torch.split(tree, size)
        return
    for start in range(0, samples_in(tree), size):
        yield mapped(lambda each: each[start : start + size], tree)  # noqa: B023 - used at once


def joined(trees: list[Tree]) -> Tree:
    """Return the samples of trees of one structure, one after the other."""
    return mapped(lambda *each: torch.cat(each), *trees)
