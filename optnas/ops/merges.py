"""Merges: ops that combine the outputs of parallel branches on one input."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable

import torch
from torch import Tensor, nn

from optnas.cost import Cost
from optnas.ops.define import op
from optnas.ops.elementary import EPSILON, exponential
from optnas.ops.merging import Merging, merged
from optnas.ops.modules import Applied
from optnas.ops.pointwise import Function
from optnas.ops.shapes import channel_axis, numel
from optnas.space import Node, Shape, Site, register

__all__ = [
    "Merge",
    "add",
    "blend",
    "branch",
    "concat",
    "div",
    "gate",
    "is_zero",
    "laplacian",
    "maximum",
    "mean",
    "minimum",
    "mul",
    "radial",
    "sub",
]


class Merge(Merging, Function):
    """Merge by a function of optnas's, number by number unless it says otherwise."""

    def __init__(
        self,
        name: str,
        apply: Callable[..., Tensor],
        doc: str,
        *,
        fewest: int = 1,
        most: int | None = None,
        commutative: bool = False,
        associative: bool = False,
        functions: int = 1,
        **constants: float,
    ) -> None:
        parameters = [inspect.Parameter("branches", inspect.Parameter.VAR_POSITIONAL)]
        parameters += [
            inspect.Parameter(word, inspect.Parameter.KEYWORD_ONLY, default=value)
            for word, value in constants.items()
        ]
        super().__init__(name, doc, apply, parameters, functions=functions)
        self.fewest, self.most = fewest, most
        self.commutative = commutative
        self.associative = associative
        register(self)

    def simplify(self, node: Node) -> Node | None:
        children: list[Node] = []
        for child in node.children:
            flat = self.associative and child.op.name == self.name
            children += child.children if flat else [child]
        if len(children) == 1 and self.fewest == 1:
            return children[0]
        return Node(self, node.args, tuple(children))

    def merging_cost(self, node: Node, shapes: list[Shape], site: Site) -> Cost:
        shape = self.merged_shape(shapes)
        total = numel(shape)
        steps = max(len(shapes) - 1, 1) * self.functions
        return Cost(shape, params=self.params(node), activations=total, elementwise=steps * total)

    def merging_module(self, node: Node, shapes: list[Shape], site: Site) -> nn.Module:
        return Applied(self.apply, self.values(node), learnable=self.params(node) > 0, op=self)

    def merged_shape(self, shapes: list[Shape]) -> Shape:
        """Return the output shape of the merge of branches with these shapes.

        Raises:
            ValueError: If the shapes cannot be merged.
        """
        if len(set(shapes)) > 1:
            raise ValueError(f"its branches end in different shapes: {', '.join(map(str, shapes))}")
        return shapes[0]


class _Add(Merge):
    def simplify(self, node: Node) -> Node | None:
        # Branches that output zeros are removed, unless there are no others.
        live = tuple(child for child in node.children if not is_zero(child))
        return super().simplify(Node(self, node.args, live or node.children[:1]))


class _Concat(Merge):
    def merged_shape(self, shapes: list[Shape]) -> Shape:
        axis = channel_axis(shapes[0])
        around = {(shape[:axis], shape[axis + 1 :], len(shape)) for shape in shapes}
        if len(around) > 1:
            raise ValueError(
                f"its branches end in shapes that cannot be joined: {', '.join(map(str, shapes))}"
            )
        return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])

    def merging_cost(self, node: Node, shapes: list[Shape], site: Site) -> Cost:
        shape = self.merged_shape(shapes)
        return Cost(shape, activations=numel(shape))


def is_zero(node: Node) -> bool:
    """Return whether ``node`` outputs zeros for every input."""
    if node.op.chain and node.children:
        return is_zero(node.children[-1])
    return node.op.name == "none"


def _joined(*of: Tensor) -> Tensor:
    return torch.cat(of, 1 + channel_axis(tuple(of[0].shape[1:])))


def _folded(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda *of: functools.reduce(function, of)


def _mean(*of: Tensor) -> Tensor:
    return functools.reduce(operator.add, of) / len(of)


def _gate(first: Tensor, *others: Tensor) -> Tensor:
    for other in others:
        first = first * other.sigmoid()
    return first


def _quotient(of: Tensor, by: Tensor) -> Tensor:
    return of / torch.where(by < 0, by - EPSILON, by + EPSILON)


add = _Add("add", _folded(torch.add), "The sum of its branches.", commutative=True, associative=True)
concat = _Concat("concat", _joined, "Its branches side by side: their channels, or their features.")
mean = Merge("mean", _mean, "The mean of its branches.", commutative=True)
gate = Merge(
    "gate", _gate, "Its first branch times σ of the others (Dauphin et al. 2017).", fewest=2, functions=2
)
mul = Merge("mul", _folded(torch.mul), "The product of its branches.", commutative=True, associative=True)
maximum = Merge(
    "maximum", _folded(torch.maximum), "The largest of its branches.", commutative=True, associative=True
)
minimum = Merge(
    "minimum", _folded(torch.minimum), "The smallest of its branches.", commutative=True, associative=True
)
# The other binary functions of Ramachandran et al. 2017 (arXiv 1710.05941), section 3.2.
sub = Merge("sub", torch.sub, "The first branch less the second.", fewest=2, most=2)
div = Merge("div", _quotient, "x₁ / (x₂ ± 0.001), away from 0.", fewest=2, most=2, functions=2)
radial = Merge(
    "radial", lambda a, b, beta: exponential(-beta * (a - b) * (a - b)), "exp(-β(x₁ - x₂)²).",
    fewest=2, most=2, commutative=True, functions=4, beta=1.0,
)  # fmt: skip
laplacian = Merge(
    "laplacian", lambda a, b, beta: exponential(-beta * (a - b).abs()), "exp(-β|x₁ - x₂|).",
    fewest=2, most=2, commutative=True, functions=4, beta=1.0,
)  # fmt: skip
blend = Merge(
    "blend", lambda a, b, beta: beta * a + (1 - beta) * b, "βx₁ + (1 - β)x₂.",
    fewest=2, most=2, functions=4, beta=0.5,
)  # fmt: skip


@op
def branch(*paths: Node, merge: str | Node = "add") -> Node:
    """Apply parallel paths to one input and merge their outputs; ``merge`` can be a choice.

    Args:
        paths: The branches, all on the same input.
        merge: ``"add"``, ``"concat"``, ``"mean"``, ``"gate"`` or any other merge, an :func:`op` of several
            tensors included, by its name or with its arguments: ``ops.blend(beta=0.3)``.

    >>> from optnas import choose, ops
    >>> ops.branch(ops.conv(8), ops.maxpool(3, stride=1), merge=choose("concat", "gate"))
    branch(conv(8), maxpool(3, stride=1), merge=choose('concat', 'gate'))
    """
    return merged(merge, *paths)


branch.names_ops = frozenset({"merge"})
