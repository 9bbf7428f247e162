"""Numbers of the tensors of a parent network, and its layers by place."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any

from torch import nn

from optnas.inherit.kinds import bounds_after, does_nothing, is_channelwise, is_norm, passes, same_function
from optnas.inherit.signals import ZERO, Numbers
from optnas.inherit.walk import ADD, CONCAT, Shapes, Walk
from optnas.one_shot.traced import Traced
from optnas.ops.modules import Zeros
from optnas.ops.shapes import channel_axis

__all__ = ["Known", "Parent", "function_number", "merge_number", "place_of", "size_of"]


@dataclasses.dataclass(frozen=True)
class Known:
    """A layer of the parent: the numbers of what comes in and what comes out."""

    module: nn.Module
    before: int
    after: int


class Parent(Walk[int]):
    """The tensors of a parent network.

    Attributes:
        numbers: The numbers of the tensors.
        layers: Its layers with weights by place.
        weights: The module and the name of each weight by place.
        out: The number of the network's output.
    """

    def __init__(self, network: Traced, shapes: Shapes, numbers: Numbers, inputs: int) -> None:
        super().__init__(network, shapes)
        self.numbers = numbers
        self.layers: dict[Hashable, Known] = {}
        self.weights = {key: (network.module, name) for name, key in network.keys.items()}
        numbers.sizes[inputs] = size_of(shapes[network.module][0])
        self.out = self.through(network.module, inputs)

    def layer(self, module: nn.Module, x: int) -> int:
        if does_nothing(module):
            return x
        if isinstance(module, Zeros):
            return ZERO
        place = place_of(self.keys[module])
        if place is None:
            return self._sized(function_number(self.numbers, module, x), module, x)
        after = self._sized(self.numbers.of("layer", place, x), module, x)
        self.layers.setdefault(place, Known(module, x, after))
        return after

    def merged(self, how: Any, ends: Sequence[int], made: nn.Module) -> int:
        place = place_of(self.keys[how]) if isinstance(how, nn.Module) else None
        if place is not None:
            self.layers.setdefault(place, Known(how, ends[0], ends[0]))
        number = merge_number(self.numbers, how, place, ends)
        sizes = [self.numbers.sizes.get(end) for end in ends if end != ZERO]
        whole = [size for size in sizes if size is not None]
        if how == CONCAT:
            self.numbers.sizes[number] = sum(whole) if len(whole) == len(ends) else None
        else:
            self.numbers.sizes.setdefault(number, next(iter(whole), None))
        return number

    def _sized(self, number: int, module: nn.Module, x: int) -> int:
        self.numbers.sizes.setdefault(number, self._size(module, x))
        return number

    def _size(self, module: Any, x: int) -> int | None:
        """Return the number of channels that come out of a layer; ``None`` if it is no single tensor."""
        if is_channelwise(module) or is_norm(module):
            return self.numbers.sizes.get(x)
        for name in ("out_channels", "out_features", "embedding_dim"):
            if isinstance(size := getattr(module, name, None), int):
                return size
        return size_of(self.shapes.get(module, (None, None))[1])


def size_of(shape: tuple[int, ...] | None) -> int | None:
    """Return the number of channels of a tensor of this shape; ``None`` if it is none."""
    return shape[channel_axis(shape)] if shape else None


def place_of(keys: dict[str, str]) -> Hashable:
    """Return the place of a layer, by those of its weights; ``None`` if it has none."""
    return tuple(sorted(keys.values())) or None


def function_number(numbers: Numbers, module: nn.Module, x: int) -> int:
    """Return the number of what a layer without weights puts out."""
    if x == ZERO:
        return numbers.of("function", same_function(module), x)
    bounds = numbers.bounded(x)
    if passes(module, *bounds):
        return x
    number = numbers.of("function", same_function(module), x)
    numbers.bound(number, *bounds_after(module, *bounds))
    return number


def merge_number(numbers: Numbers, how: Any, place: Hashable, ends: Sequence[int]) -> int:
    """Return the number of a merge, which may have weights at a place; zeros that are added do not count."""
    if how == ADD:
        ends = [end for end in ends if end != ZERO]
        if len(ends) < 2:
            return ends[0] if ends else ZERO
    recipe = how if isinstance(how, str) else same_function(how)
    number = numbers.of("merge", recipe, place, *ends)
    bounds = [numbers.bounded(end) for end in ends]
    if isinstance(how, str):
        numbers.bound(
            number, all(low for low, _ in bounds), how == CONCAT and all(high for _, high in bounds)
        )
    return number
