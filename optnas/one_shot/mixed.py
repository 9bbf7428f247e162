"""Mixtures of layers: the sum of all options of a choice, weighted by how likely each is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor, nn
from torch.nn.functional import pad

from optnas.cost import Cost
from optnas.ops.merges import is_zero
from optnas.ops.shapes import channel_axis
from optnas.space import Node, Op, Shape, Site

__all__ = ["DEPTHS", "MIXED", "Mixture", "mixture_modules"]


class Mixture(nn.Module):
    """Sum of the outputs of several layers, each times the probability of its option.

    Outputs of fewer channels are filled up with zeros.

    Args:
        hole: The name of the parameter whose options these are.
        layers: The layers; ``None`` for one that outputs zeros.
        shape: The shape of the output, without the batch.
        low: For a chain of copies: the fewest that are applied. Its options are the outputs after ``low``,
            ``low + 1``, … copies. ``None`` for layers on the same input.

    Attributes:
        probabilities: Returns the probabilities of a parameter's options; set before the first forward pass.
    """

    probabilities: Callable[[str], Tensor]

    def __init__(
        self, hole: str, layers: Sequence[nn.Module | None], shape: Shape, low: int | None = None
    ) -> None:
        super().__init__()
        self.hole = hole
        self.layers = nn.ModuleList(layer or nn.Identity() for layer in layers)
        self._zero = [layer is None for layer in layers]
        self._shape, self._low = tuple(shape), low

    def forward(self, x: Tensor) -> Tensor:
        weights = self.probabilities(self.hole)
        total: Tensor | None = None
        for weight, out in zip(weights, self._outputs(x), strict=True):
            if out is None:
                continue
            term = weight * _widened(out, self._shape)
            total = term if total is None else total + term
        return x.new_zeros((len(x), *self._shape)) if total is None else total

    def _outputs(self, x: Tensor) -> Iterator[Tensor | None]:
        if self._low is None:
            for layer, zero in zip(self.layers, self._zero, strict=True):
                yield None if zero else layer(x)
            return
        if self._low == 0:
            yield x
        for count, layer in enumerate(self.layers, 1):
            x = layer(x)
            if count >= self._low:
                yield x

    def extra_repr(self) -> str:
        return repr(self.hole)


def _widened(x: Tensor, shape: Shape) -> Tensor:
    axis = channel_axis(shape)
    missing = shape[axis] - x.shape[1 + axis]
    return pad(x, (0, 0) * (len(shape) - 1 - axis) + (0, missing)) if missing else x


class _Mixed(Op):
    """Op whose children are options on the same input."""

    internal = True
    alternatives = True

    def cost(self, node: Node, site: Site) -> Cost:
        shapes = [site.cost(option).shape for option in node.children if not is_zero(option)]
        return _cost(shapes or [site.shape])

    def build(self, node: Node, site: Site) -> nn.Module:
        layers = [None if is_zero(option) else site.build(option) for option in node.children]
        return Mixture(node.arguments["hole"], layers, self.cost(node, site).shape)


class _Depths(Op):
    """Op whose children are copies, applied one after the other; the first ``low`` of them always."""

    internal = True

    def cost(self, node: Node, site: Site) -> Cost:
        return _cost([shape for shape, _ in self._steps(node, site)][node.arguments["low"] :])

    def build(self, node: Node, site: Site) -> nn.Module:
        layers = [
            at.build(copy) for (_, at), copy in zip(self._steps(node, site), node.children, strict=False)
        ]
        return Mixture(node.arguments["hole"], layers, self.cost(node, site).shape, node.arguments["low"])

    def _steps(self, node: Node, site: Site) -> Iterator[tuple[Shape, Site]]:
        """Yield the shape that each copy takes, and in the end that of the output."""
        for copy in node.children:
            yield site.shape, site
            site = site.at(site.cost(copy).shape)
        yield site.shape, site


def _cost(shapes: Sequence[Shape]) -> Cost:
    """Return the cost of a mixture, of which only the shape is of interest."""
    axis = channel_axis(shapes[0])
    around = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(around) > 1 or len({len(shape) for shape in shapes}) > 1:
        raise ValueError(f"its options put out shapes that cannot be summed: {_listed(shapes)}")
    widest = max(shape[axis] for shape in shapes)
    return Cost((*shapes[0][:axis], widest, *shapes[0][axis + 1 :]))


def _listed(shapes: Sequence[Shape]) -> str:
    return ", ".join(map(str, dict.fromkeys(shapes)))


_NAMED = inspect.Parameter.KEYWORD_ONLY
_CHILDREN = inspect.Parameter("children", inspect.Parameter.VAR_POSITIONAL)

MIXED = _Mixed("mixed", inspect.Signature([_CHILDREN, inspect.Parameter("hole", _NAMED)]))
DEPTHS = _Depths(
    "depths",
    inspect.Signature([_CHILDREN, inspect.Parameter("hole", _NAMED), inspect.Parameter("low", _NAMED)]),
)


def mixture_modules(module: nn.Module) -> Iterator[Mixture]:
    """Yield the mixtures in a network."""
    for part in module.modules():
        if isinstance(part, Mixture):
            yield part
