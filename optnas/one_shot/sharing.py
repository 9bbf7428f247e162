"""Which parameters of a space have values that do not share weights, and why."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from typing import Any

import torch

from optnas.one_shot.placed import Placing, mixtures
from optnas.one_shot.traced import Traced, traced
from optnas.one_shot.weights import weight_key
from optnas.space import Node, SpaceError
from optnas.space.closing import draw, holes
from optnas.space.shapes import AnyShape

__all__ = ["unshared"]

_TRIES = 20
_VALUES = 4


def unshared(
    space: Node, shape: AnyShape, context: Mapping[str, Any], values: Mapping[str, tuple[Any, ...]]
) -> dict[str, str]:
    """Return why the values of a parameter do not share weights, by its name; nothing for those that do.

    Each parameter is tried in a random architecture that has it, with a few of its values. Choices between
    layers are left out, as each layer has weights of its own, and so are repetitions, whose copies are
    skipped.

    Args:
        space: The search space.
        shape: The input's shape without the batch.
        context: Values for op arguments left at ``None``.
        values: The values of each parameter to try.
    """
    layers, found = set(mixtures(space)), {}
    for name in holes(space):
        if name not in layers and len(values[name]) > 1:
            why = _why(_built(name, space, shape, context, values[name]))
            if why is not None:
                found[name] = why
    return found


def _built(
    name: str, space: Node, shape: AnyShape, context: Mapping[str, Any], values: tuple[Any, ...]
) -> list[Traced]:
    """Return one random architecture that depends on a parameter, built with some values of it."""
    step = max(1, len(values) // _VALUES)
    for seed in range(_TRIES):
        made = []
        for value in values[::step]:
            rng = random.Random(seed)
            placing = Placing(lambda each, of: value if each == name else draw(of, rng))  # noqa: B023
            tree = placing.placed(space)
            if name in placing.decided:
                torch.manual_seed(seed)
                try:
                    made.append(traced(tree, shape, **context))
                except SpaceError:
                    continue
        if len(made) > 1:
            return made
    return []


def _why(built: list[Traced]) -> str | None:
    known = [{weight_key(network, name): name for name in network.keys} for network in built]
    for one, other in itertools.pairwise(known):
        if one.keys() - other.keys() and other.keys() - one.keys():
            return "its values build different layers, which have weights of their own"
    for key in set.intersection(*(set(each) for each in known)) if known else ():
        starts = [
            network.module.get_parameter(names[key]) for network, names in zip(built, known, strict=True)
        ]
        if all(start.numel() == 1 for start in starts) and len({start.item() for start in starts}) > 1:
            return "it says where a learned constant starts, and all architectures share what that has become"
    return None
