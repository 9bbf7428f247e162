"""Weights of a child network made of its parent's, layer by layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from optnas.inherit.composite import morphed
from optnas.inherit.inserted import last_linear, made_identity, silence
from optnas.inherit.kinds import does_nothing, is_channelwise, is_norm
from optnas.inherit.layers import copied_slices
from optnas.inherit.parent import Known, Parent, function_number, merge_number, place_of, size_of
from optnas.inherit.signals import ZERO, Inserted, Signal, cyclic
from optnas.inherit.walk import ADD, CONCAT, Shapes, Walk
from optnas.one_shot.traced import Traced
from optnas.ops.modules import Zeros

__all__ = ["Child"]

_NOTHING = Signal(ZERO, exact=True, channels=None)


class Child(Walk[Signal]):
    """A child network that takes over the weights of its parent as it is walked through.

    Args:
        network: The child, with fresh weights.
        shapes: The shapes within it.
        parent: The parent.
        inputs: The number of the network's input.

    Attributes:
        count: The number of the child's weights that were taken from the parent.
        out: What the network's output stands for.
        norms: New batch norms that are to return their input.
    """

    def __init__(self, network: Traced, shapes: Shapes, parent: Parent, inputs: int) -> None:
        super().__init__(network, shapes)
        self.count = 0
        self._parent, self._numbers = parent, parent.numbers
        self._inserted: list[Inserted] = []
        size = size_of(shapes[network.module][0])
        channels = None if size is None else torch.arange(size)
        self.out = self.through(network.module, Signal(inputs, exact=True, channels=channels))
        self._confirm(self.out, parent.out)
        for new in self._inserted:
            if not new.confirmed:
                new.undo()
        self.norms = [n.layer for n in self._inserted if n.confirmed and isinstance(n.layer, _BatchNorm)]

    @property
    def preserved(self) -> bool:
        """Whether the network computes what the parent does, in evaluation mode."""
        out, size = self.out, self._numbers.sizes.get(self._parent.out)
        return out.exact and out.stands_for == self._parent.out and out.is_plain(size)

    # One tensor.

    def layer(self, module: nn.Module, x: Signal) -> Signal:
        if does_nothing(module):
            return x
        if isinstance(module, Zeros):
            return _NOTHING
        if x.stands_for == ZERO:
            x = dataclasses.replace(x, exact=False)
        place = place_of(self.keys[module])
        if place is None:
            return self._function(module, x)
        known = self._parent.layers.get(place)
        if known is None:
            return self._new(module, x)
        return self._known(module, known, x, self._numbers.of("layer", place, x.stands_for))

    def _function(self, module: nn.Module, x: Signal) -> Signal:
        """Return what comes out of a layer without weights."""
        number = function_number(self._numbers, module, x.stands_for)
        there = number in self._numbers.sizes
        stands_for, exact = (number, x.exact) if there else (x.stands_for, False)
        before, after = self.shapes.get(module, (None, None))
        channels = x.channels
        if isinstance(module, nn.Flatten) and channels is not None and before and after:
            # Of each channel all positions, which were as many in the parent.
            each, of = after[-1] // len(channels), self._numbers.sizes.get(x.stands_for)
            exact &= there and of is not None and self._numbers.sizes[number] == of * each
            channels = (channels[:, None] * each + torch.arange(each)).flatten()
        elif not is_channelwise(module):
            exact &= x.is_plain(self._numbers.sizes.get(x.stands_for))
            channels = self._among(stands_for, after)
        return Signal(stands_for, exact, channels, x.inserted)

    def _known(self, module: nn.Module, known: Known, x: Signal, number: int) -> Signal:
        """Return what comes out of a layer that the parent has, and give it the parent's weights."""
        self._confirm(x, known.before)
        exact = x.exact and number in self._numbers.sizes
        after = number if number in self._numbers.sizes else known.after
        made = morphed(module, known.module, self._rebased(x, known.before))
        if made is not None:
            self.count += made.count
            same = self._same_size(module, known.module)
            return Signal(after, exact and made.exact and same, made.channels)
        count, whole = self._copied(module, known)
        self.count += count
        if is_channelwise(module):
            return Signal(after, exact and whole, x.channels)
        # As a whole: nothing is known of what it does to channels.
        plainly = x.is_plain(self._numbers.sizes.get(x.stands_for)) and _alike(module, known.module)
        same = self._same_size(module, known.module) and not any(True for _ in module.buffers())
        out = self._among(after, self.shapes.get(module, (None, None))[1])
        return Signal(after, exact and whole and plainly and same, out)

    def _rebased(self, x: Signal, before: int) -> Signal:
        """Return what comes in, as a tensor that stands for what came into the parent's layer."""
        if x.stands_for == before or x.channels is None:
            return x
        size = self._numbers.sizes.get(before)
        return Signal(before, False, None if size is None else cyclic(len(x.channels), size))

    def _copied(self, module: nn.Module, known: Known) -> tuple[int, bool]:
        theirs = {key: name for name, key in self._parent.keys[known.module].items()}
        names = [(name, theirs[key]) for name, key in self.keys[module].items() if key in theirs]
        return copied_slices(module, known.module, names)

    def _same_size(self, module: nn.Module, parent: nn.Module) -> bool:
        """Return whether what comes out of a layer is as long, or as high and wide, as of the parent's."""
        ours, theirs = self.shapes.get(module, (None, None)), self._parent.shapes.get(parent, (None, None))
        return ours[1] is not None and theirs[1] is not None and _positions(*ours) == _positions(*theirs)

    def _new(self, module: nn.Module, x: Signal) -> Signal:
        """Return what comes out of a new layer, which passes on what comes in if it can."""
        before, after = self.shapes.get(module, (None, None))
        new = Inserted(module)
        same = before is not None and after is not None and _positions(before) == _positions(after)
        out = None if x.channels is None else made_identity(module, x.channels, same)
        if out is not None:
            self._inserted.append(new)
            return Signal(x.stands_for, x.exact, out, (*x.inserted, new))
        keeps = is_channelwise(module) or is_norm(module)
        channels = x.channels if keeps else self._among(x.stands_for, after)
        self._partly(module)
        return Signal(x.stands_for, False, channels, x.inserted)

    def _partly(self, module: nn.Module) -> None:
        """Copy what fits of a layer of which the parent has some of the weights."""
        weights = self._parent.weights
        for name, key in self.keys[module].items():
            if key in weights:
                parent, theirs = weights[key]
                self.count += copied_slices(module, parent, [(name, theirs)])[0]

    def _among(self, number: int, shape: tuple[int, ...] | None) -> Tensor | None:
        """Return the channels of a tensor of that shape, the first ones of the parent's tensor."""
        size, of = size_of(shape), self._numbers.sizes.get(number)
        return None if size is None or of is None else cyclic(size, of)

    def _confirm(self, x: Signal, before: int) -> None:
        """Let layers that were inserted stay, if they are followed by what they were inserted before."""
        for new in x.inserted:
            new.confirmed |= x.stands_for == before

    # Several tensors.

    def branches(
        self, modules: Sequence[nn.Module], given: Sequence[Signal], added: Sequence[bool]
    ) -> list[Signal]:
        last = [
            last_linear(module) if may and self._is_new(module) else None
            for module, may in zip(modules, added, strict=True)
        ]
        if None not in last:  # one of them is to do something
            last[0] = None
        for layer in last:
            if layer is not None:
                silence(layer)
        ends = zip(modules, given, last, strict=True)
        return [self.through(module, x) if layer is None else _NOTHING for module, x, layer in ends]

    def _is_new(self, module: nn.Module) -> bool:
        keys = self.keys.get(module, {}).values()
        return bool(keys) and not any(key in self._parent.weights for key in keys)

    def merged(self, how: Any, ends: Sequence[Signal], made: nn.Module) -> Signal:
        place, exact = None, all(end.exact for end in ends)
        if isinstance(how, nn.Module) and (place := place_of(self.keys[how])) is not None:
            known = self._parent.layers.get(place)
            exact &= known is not None
            if known is not None:
                count, whole = self._copied(how, known)
                self.count, exact = self.count + count, exact and whole
        numbers = [end.stands_for for end in ends]
        number = merge_number(self._numbers, how, place, numbers)
        present = [end for end in ends if end.stands_for != ZERO or how != ADD] or list(ends)
        channels, fit = self._together(how, present)
        inserted = tuple(new for end in present for new in end.inserted)
        if number not in self._numbers.sizes and number != ZERO:
            # Of what is put side by side no tensor of the parent has the channels.
            return Signal(number if how == CONCAT else present[0].stands_for, False, channels, inserted)
        if how != ADD or len(present) > 1:
            for end in present:
                self._confirm(end, end.stands_for)
            inserted = ()
        return Signal(number, exact and fit, channels, inserted)

    def _together(self, how: Any, ends: Sequence[Signal]) -> tuple[Tensor | None, bool]:
        """Return the channels of tensors that are made one, and whether these are in the same order."""
        channels = [end.channels for end in ends]
        if how == CONCAT:
            sizes = [self._numbers.sizes.get(end.stands_for) for end in ends]
            if any(each is None for each in (*channels, *sizes)):
                return None, False
            starts = [sum(int(size or 0) for size in sizes[:place]) for place in range(len(sizes))]
            parts = [each + start for each, start in zip(channels, starts, strict=True) if each is not None]
            return torch.cat(parts), True
        first = channels[0]
        same = all(
            each is None if first is None else each is not None and torch.equal(each, first)
            for each in channels
        )
        elementwise = isinstance(how, str) or getattr(how, "op", None) is not None
        plain = all(end.is_plain(self._numbers.sizes.get(end.stands_for)) for end in ends)
        return first, same and (elementwise or plain)


def _alike(one: nn.Module, other: nn.Module) -> bool:
    """Return whether layers are set up equally, also in what they do not print, such as a number of heads."""
    return str(one) == str(other) and all(
        _settings(ours) == _settings(theirs)
        for ours, theirs in zip(one.modules(), other.modules(), strict=True)
    )


def _settings(module: nn.Module) -> dict[str, Any]:
    kinds = (bool, int, float, str, tuple, type(None))
    return {name: value for name, value in vars(module).items() if type(value) in kinds}


def _positions(*shapes: tuple[int, ...] | None) -> list[Any]:
    """Return the sizes of shapes without those of channels; of sequences there is one way or the other."""
    return [shape if shape is None else shape[1:] if len(shape) > 2 else len(shape) for shape in shapes]
