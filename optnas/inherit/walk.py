"""Walk through the modules of a network, in the order of its tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from optnas.one_shot.traced import Traced
from optnas.ops.cell import CellModule
from optnas.ops.modules import ChannelsFirst, Gated, Merged, Positionwise, Residual
from optnas.ops.stack import StackModule

__all__ = ["ADD", "CONCAT", "GATE", "Shapes", "Walk", "shapes_within"]

ADD, CONCAT, GATE = "add", "concat", "mul"

_Value = TypeVar("_Value")

Shapes = dict[nn.Module, tuple[tuple[int, ...] | None, tuple[int, ...] | None]]
"""The shapes of what comes in and out of each module, without the batch; ``None`` for several tensors."""


class Walk(ABC, Generic[_Value]):
    """Walk through a network that follows what becomes of a value for each tensor.

    Args:
        network: The network.
        shapes: The shapes within it.

    Attributes:
        keys: For the name of each parameter its place, by module.
    """

    def __init__(self, network: Traced, shapes: Shapes) -> None:
        self.shapes = shapes
        self.keys: dict[nn.Module, dict[str, str]] = {}
        for name, module in network.module.named_modules():
            start = f"{name}." if name else ""
            named = {own for own, _ in module.named_parameters()}
            self.keys[module] = {
                own: network.keys[start + own] for own in named if start + own in network.keys
            }

    @abstractmethod
    def layer(self, module: nn.Module, x: _Value) -> _Value:
        """Return what comes out of a layer."""

    @abstractmethod
    def merged(self, how: Any, ends: Sequence[_Value], made: nn.Module) -> _Value:
        """Return what comes out where several tensors are made one.

        Args:
            how: :data:`ADD`, :data:`CONCAT`, :data:`GATE`, or the module that does it.
            ends: The tensors.
            made: The module that this happens in.
        """

    def branches(
        self, modules: Sequence[nn.Module], given: Sequence[_Value], added: Sequence[bool]
    ) -> list[_Value]:
        """Return what comes out of branches; those that are ``added`` to others can do without an effect."""
        return [self.through(module, x) for module, x in zip(modules, given, strict=True)]

    def through(self, module: nn.Module, x: _Value) -> _Value:
        """Return what comes out of a module."""
        if isinstance(module, nn.Sequential):
            for each in module:
                x = self.through(each, x)
            return x
        if isinstance(module, ChannelsFirst | Positionwise):
            return self.through(module.module, x)
        if isinstance(module, Residual):
            shortcut = module.shortcut or nn.Identity()
            ends = self.branches([module.body, shortcut], [x, x], [True, False])
            return self.merged(ADD, ends, module)
        if isinstance(module, Merged):
            how, count = _merge_of(module.merging), len(module.branches)
            ends = self.branches(list(module.branches), [x] * count, [how == ADD] * count)
            return self.merged(how, ends, module)
        if isinstance(module, Gated):
            return self.merged(GATE, [x, self.through(module.gate, x)], module)
        if type(module) is CellModule:
            return self._cell(module, [x] * module.inputs)
        if type(module) is StackModule:
            return self._stack(module, x)
        return self.layer(module, x)

    def _cell(self, module: CellModule, states: list[_Value]) -> _Value:
        merges = dict(module.merges.items()) if "merges" in module._modules else {}
        for position, (modules, sources) in enumerate(zip(module.nodes, module.sources, strict=True)):
            merge = merges.get(str(position))
            how = ADD if merge is None else _merge_of(merge)
            given = [states[source] for source in sources]
            ends = self.branches(list(modules), given, [how == ADD] * len(given))  # type: ignore[call-overload]
            states.append(self.merged(how, ends, modules))
        out = [states[place] for place in module.outputs]
        return out[0] if len(out) == 1 else self.merged(CONCAT, out, module)

    def _stack(self, module: StackModule, x: _Value) -> _Value:
        before = x
        for step in module.steps:
            older, newer, cell = step.children()
            ends = [self.through(older, before), self.through(newer, x)]
            two = type(cell) is CellModule and cell.inputs == len(ends)
            before, x = x, self._cell(cell, ends) if two else self.merged(cell, ends, cell)  # type: ignore[arg-type]
        return x


def _merge_of(merging: nn.Module) -> Any:
    name = getattr(getattr(merging, "op", None), "name", None)
    return name if name in (ADD, CONCAT) else merging


def shapes_within(network: nn.Module, batch: Any) -> Shapes:
    """Return the shapes within a network, of one pass in evaluation mode."""
    found: Shapes = {}

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        found[module] = (_shape(inputs[0]) if len(inputs) == 1 else None, _shape(output))

    with torch.no_grad(), _evaluating(network):
        hooks = [module.register_forward_hook(note) for module in network.modules()]
        try:
            network(batch)
        finally:
            for hook in hooks:
                hook.remove()
    return found


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape[1:]) if isinstance(value, Tensor) else None


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    before = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(before)
