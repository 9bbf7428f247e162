"""Upper bound of the Lipschitz constant of a network, layer by layer.

Consecutive linear layers are one linear map, whose spectral norm is computed as a whole: it is exact for
linear networks, and batch norms belong to their convolutions. Layers that are not linear have known constants
(:mod:`~optnas.measure.derivatives.slopes`), and branches add up.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from optnas.measure.derivatives.linear_maps import is_linear, parts_of, spectral_norm
from optnas.measure.derivatives.slopes import lipschitz_of_layer
from optnas.ops.cell import CellModule
from optnas.ops.modules import Applied, Gated, Merged, Residual
from optnas.ops.sequence_modules import SelfAttention, States
from optnas.ops.shapes import channel_axis
from optnas.ops.stack import StackModule

__all__ = ["INPUT", "Bounds", "Value"]

INPUT = -1
"""The source that stands for the network's input."""


@dataclasses.dataclass(frozen=True)
class Value:
    """A tensor in a network, with bounds of how fast it changes with the tensors that it is made of.

    Attributes:
        tensor: The tensor for a sample.
        slopes: Lipschitz constants with regard to sources: the input, and outputs of layers with weights.
        pending: Linear layers that were applied to ``start`` since; ``slopes`` do not count them yet.
        start: The tensor before them.
    """

    tensor: Tensor
    slopes: Mapping[int, float]
    pending: tuple[nn.Module, ...] = ()
    start: Tensor | None = None

    def times(self, factor: float) -> dict[int, float]:
        """Return the slopes after a map with this Lipschitz constant."""
        # An infinite slope of what is multiplied by 0 is 0.
        return {source: slope * factor if slope and factor else 0.0 for source, slope in self.slopes.items()}


class Bounds:
    """Bounds of the Lipschitz constants of a network in float64 and in evaluation mode.

    Attributes:
        reasons: What has no bound, in words; empty if the network has one.
        before: Of each source but the input the Lipschitz constant of what precedes it.
        layers: Of each source but the input the layer, and a sample of its input.
    """

    def __init__(self, *, by_layer: bool = False) -> None:
        self._by_layer = by_layer
        self.reasons: dict[str, None] = {}
        self.before: dict[int, float] = {}
        self.layers: dict[int, tuple[nn.Module, Tensor]] = {}

    def of(self, network: nn.Module, x: Tensor) -> Mapping[int, float]:
        """Return upper bounds of the Lipschitz constants of the output, by source.

        Args:
            network: The network.
            x: One sample, with the batch's axis.
        """
        return self._settled(self._through(network, Value(x, {INPUT: 1.0}))).slopes

    def _through(self, module: nn.Module, value: Value) -> Value:
        if is_linear(module, merges=not self._by_layer):
            start = value.tensor if value.start is None else value.start
            return Value(self._run(module, value), value.slopes, (*value.pending, module), start)
        if isinstance(module, nn.Sequential):
            for each in module:
                value = self._through(each, value)
            return value
        if isinstance(module, Residual):
            value = self._settled(value)
            shortcut = value if module.shortcut is None else self._through(module.shortcut, value)
            return self._added([self._through(module.body, value), shortcut])
        if isinstance(module, Merged):
            value = self._settled(value)
            return self._merged(module.merging, [self._through(each, value) for each in module.branches])
        if isinstance(module, CellModule):
            return self._cell(module, [self._settled(value)] * module.inputs)
        if isinstance(module, StackModule):
            return self._stack(module, self._settled(value))
        value = self._settled(value)
        constant = lipschitz_of_layer(module, value.tensor)
        if constant is None or math.isinf(constant):
            self.reasons[_reason(module)] = None
            constant = math.inf
        return Value(self._run(module, value), value.times(constant))

    def _run(self, module: nn.Module, value: Value) -> Tensor:
        with torch.no_grad():
            found: Tensor = module(value.tensor)
        return found

    def _settled(self, value: Value) -> Value:
        """Return the value with its pending layers counted."""
        if value.start is None:
            return value
        if not self._by_layer:
            return Value(value.tensor, value.times(spectral_norm(_chain(value.pending), value.start)))
        x, slopes = value.start, dict(value.slopes)
        for layer in (part for module in value.pending for part in parts_of(module)):
            before = slopes.get(INPUT, 0.0)
            norm = spectral_norm(layer, x)
            slopes = Value(x, slopes).times(norm)
            if any(True for _ in layer.parameters()):
                source = len(self.layers)
                self.layers[source], self.before[source], slopes[source] = (layer, x), before, 1.0
            with torch.no_grad():
                x = layer(x)
        return Value(value.tensor, slopes)

    # Several values.

    def _merged(self, merging: nn.Module, values: Sequence[Value]) -> Value:
        values = [self._settled(value) for value in values]
        with torch.no_grad():
            tensor = merging(*(value.tensor for value in values))
        name = merging.op.name if isinstance(merging, Applied) and merging.op is not None else ""
        found = _MERGES.get(name)
        factors = None
        if found is not None and isinstance(merging, Applied):
            learned = {each: float(number.detach()) for each, number in merging.learned.items()}
            factors = found(len(values), **merging.constants, **learned)
        if factors is None:
            self.reasons[_reason(merging)] = None
            factors = [math.inf] * len(values)
        combined = _root if name in _APART else sum
        scaled = [value.times(factor) for value, factor in zip(values, factors, strict=True)]
        return Value(tensor, _together(scaled, combined))

    def _added(self, values: Sequence[Value]) -> Value:
        values = [self._settled(value) for value in values]
        tensor = values[0].tensor
        for value in values[1:]:
            tensor = tensor + value.tensor
        return Value(tensor, _together([value.slopes for value in values], sum))

    def _cell(self, module: CellModule, states: list[Value]) -> Value:
        merges = dict(module.merges.items()) if "merges" in module._modules else {}
        for position, (modules, sources) in enumerate(zip(module.nodes, module.sources, strict=True)):
            edges = zip(modules, sources, strict=True)  # type: ignore[call-overload]
            ends = [self._through(each, states[source]) for each, source in edges]
            merge = merges.get(str(position))
            states.append(self._added(ends) if merge is None else self._merged(merge, ends))
        out = [states[place] for place in module.outputs]
        if len(out) == 1:
            return out[0]
        tensor = torch.cat([value.tensor for value in out], 1 + channel_axis(tuple(out[0].tensor.shape[1:])))
        return Value(tensor, _together([value.slopes for value in out], _root))

    def _stack(self, module: StackModule, x: Value) -> Value:
        before = x
        for step in module.steps:
            older, newer, cell = step.children()
            ends = [self._settled(self._through(older, before)), self._settled(self._through(newer, x))]
            if type(cell) is CellModule and cell.inputs == len(ends):
                before, x = x, self._cell(cell, ends)
                continue
            self.reasons[_reason(cell)] = None
            with torch.no_grad():
                tensor = cell(*(end.tensor for end in ends))
            before, x = x, Value(tensor, {INPUT: math.inf})
        return x


def _chain(modules: Sequence[nn.Module]) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        for module in modules:
            x = module(x)
        return x

    return run


def _root(slopes: Sequence[float]) -> float:
    return math.hypot(*slopes)


def _together(
    values: Sequence[Mapping[int, float]], combined: Callable[[Sequence[float]], float]
) -> dict[int, float]:
    sources = {source: None for value in values for source in value}
    return {source: combined([value.get(source, 0.0) for value in values]) for source in sources}


_Factors = Callable[..., list[float] | None]

# The factors of the branches' slopes; None if the merge has no bound.
_MERGES: dict[str, _Factors] = {
    "add": lambda count: [1.0] * count,
    "sub": lambda count: [1.0] * count,
    "mean": lambda count: [1 / count] * count,
    "concat": lambda count: [1.0] * count,
    "maximum": lambda count: [1.0] * count,
    "minimum": lambda count: [1.0] * count,
    "blend": lambda count, beta: [abs(beta), abs(1 - beta)],
    # The largest slope of exp(-βd²) and of exp(-β|d|), of the difference d of the branches.
    "radial": lambda count, beta: [math.sqrt(2 * beta / math.e)] * count if beta >= 0 else None,
    "laplacian": lambda count, beta: [beta] * count if beta >= 0 else None,
}
# Of these the square of a change is at most the sum of the squares of the branches' changes.
_APART = {"concat", "maximum", "minimum"}


def _reason(module: nn.Module) -> str:
    """Return in words what has no bound."""
    if isinstance(module, SelfAttention):
        return "attention multiplies what depends on the input"  # Kim et al. 2021, arXiv 2006.04710
    if isinstance(module, Gated):
        return "a gate multiplies what depends on the input"
    if isinstance(module, States):
        return f"the gates of {type(module.recurrent).__name__} multiply what depends on the input"
    name = getattr(getattr(module, "op", None), "name", None) or type(module).__name__
    return f"no bound is known of {name}"
