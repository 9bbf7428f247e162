"""Elementwise functions, applied to a layer's input or to the result of another function.

``tanh`` is a layer; so is ``tanh(mul(x, x))``, the same function applied to another one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable

from torch import Tensor, nn

from optnas.cost import Cost
from optnas.ops.containers import seq
from optnas.ops.modules import Applied
from optnas.ops.shapes import numel
from optnas.space import Node, Op, Shape, Site, register

__all__ = ["Function", "Pointwise", "operands_of", "pointwise"]

_POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD


class Function(Op):
    """Op that maps tensors of one shape to a tensor, usually of that shape.

    Attributes:
        apply: Computes the function: takes the operands, then the constants by name.
        constants: Names of the numbers in its formula; ``learnable=True`` makes them parameters that
            start from the given values.
        functions: Number of arithmetic functions in its formula.
    """

    def __init__(
        self,
        name: str,
        doc: str,
        apply: Callable[..., Tensor],
        parameters: Iterable[inspect.Parameter],
        *,
        functions: int = 1,
        simplify: Callable[[Node], Node | None] | None = None,
    ) -> None:
        parameters = list(parameters)
        self.constants = tuple(
            p.name for p in parameters if p.name != "of" and p.kind is not inspect.Parameter.VAR_POSITIONAL
        )
        if self.constants:
            parameters.append(inspect.Parameter("learnable", parameters[-1].kind, default=False))
        super().__init__(name, inspect.Signature(parameters), doc)
        self.apply = apply
        self.functions = functions
        self._simplify = simplify

    @property
    def function(self) -> Callable[..., Tensor]:
        return self.apply

    def values(self, node: Node) -> dict[str, float]:
        """Return the constants of ``node`` by name."""
        return {name: value for name, value in node.args if name in self.constants}

    def params(self, node: Node) -> int:
        """Return the number of learnable constants of the function itself."""
        return len(self.constants) if node.arguments.get("learnable") else 0

    def own_cost(self, node: Node, shape: Shape) -> Cost:
        """Return the cost of the function itself on operands of ``shape``."""
        total = numel(shape)
        return Cost(shape, params=self.params(node), activations=total, elementwise=self.functions * total)

    def simplify(self, node: Node) -> Node | None:
        return node if self._simplify is None else self._simplify(node)


class Pointwise(Function):
    """Elementwise function of one operand, or of none."""

    def __init__(
        self,
        name: str,
        doc: str,
        apply: Callable[..., Tensor],
        parameters: Iterable[inspect.Parameter],
        *,
        module: Callable[[], nn.Module] | None = None,
        functions: int = 1,
        simplify: Callable[[Node], Node | None] | None = None,
    ) -> None:
        super().__init__(name, doc, apply, parameters, functions=functions, simplify=simplify)
        self._module = module

    def simplify(self, node: Node) -> Node | None:
        if len(node.children) == 1:
            return seq(*node.children, Node(self, node.args))
        return super().simplify(node)

    def cost(self, node: Node, site: Site) -> Cost:
        operands = operands_of(node)
        own = self.own_cost(node, site.shape)
        return site.cost(operands[0]).then(own) if operands else own

    def build(self, node: Node, site: Site) -> nn.Module:
        operands = operands_of(node)
        own: nn.Module
        if self._module is not None:
            own = self._module()
        else:
            own = Applied(self.apply, self.values(node), learnable=self.params(node) > 0, op=self)
        return nn.Sequential(site.build(operands[0]), own) if operands else own


def operands_of(node: Node) -> tuple[Node, ...]:
    """Return the operands of ``node``; none if it is applied to the layer's input.

    Raises:
        ValueError: If the operands are not functions, or too many.
    """
    operands = tuple(value for arg, value in node.args if arg == "of") + node.children
    if isinstance(node.op, Pointwise) and len(operands) > 1:
        raise ValueError(f"{node.op.name} is a function of one, not of {len(operands)}")
    for operand in operands:
        if not isinstance(operand, Node):
            raise ValueError(f"{node.op.name} is a function of functions such as x, not of {operand!r}")
    return operands


def pointwise(
    name: str,
    apply: Callable[..., Tensor],
    doc: str,
    *constants: str,
    of: bool = True,
    module: Callable[[], nn.Module] | None = None,
    functions: int = 1,
    simplify: Callable[[Node], Node | None] | None = None,
) -> Pointwise:
    """Make and register an elementwise function of one operand.

    Args:
        name: Name of the op.
        apply: Computes the function.
        doc: Docstring of the op, in one line.
        constants: Names of the numbers in its formula: ``scale(x, 1.2)`` has the factor. Without any,
            the operand may be left out: ``tanh`` is ``tanh(x)``.
        of: Whether it has an operand at all.
        module: Makes the module to build; by default one that calls ``apply``.
        functions: Number of arithmetic functions in its formula.
        simplify: As for :func:`~optnas.ops.define.op`.
    """
    if constants:
        parameters = [inspect.Parameter(word, _POSITIONAL) for word in (*(["of"] if of else []), *constants)]
    else:
        parameters = [inspect.Parameter("of", inspect.Parameter.VAR_POSITIONAL)] if of else []
    made = Pointwise(name, doc, apply, parameters, module=module, functions=functions, simplify=simplify)
    register(made)
    return made
