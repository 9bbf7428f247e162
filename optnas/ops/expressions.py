"""Activations composed of elementary functions: ``act(mul(x, sigmoid(scale(x, 1.2))))``."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from optnas.cost import Cost
from optnas.ops import elementary as f
from optnas.ops import merges
from optnas.ops.activations import relu, sigmoid, softplus, tanh
from optnas.ops.elementary import LARGEST
from optnas.ops.modules import Applied
from optnas.ops.pointwise import Function, operands_of
from optnas.ops.shapes import numel
from optnas.space import Node, Op, Site, SpaceError, choose, real, register

__all__ = ["act", "core_unit"]

# The limit of gradients in the backward pass, so that no product of them overflows to inf - inf.
_STEEPEST = 2.0**40


class _Act(Op):
    def simplify(self, node: Node) -> Node | None:
        of = node.arguments["of"]
        return of if isinstance(of, Node) else node

    def cost(self, node: Node, site: Site) -> Cost:
        params = functions = 0
        for part in _program(_expression(node)):
            if isinstance(part.op, Function):
                params += part.op.params(part)
                functions += part.op.functions * max(len(operands_of(part)) - 1, 1)
            else:
                alone = site.cost(part)
                if alone.shape != site.shape or alone.flops:
                    raise ValueError(f"{part} is no function of single numbers")
                params += alone.params
                functions += alone.elementwise // numel(site.shape)
        total = numel(site.shape)
        return Cost(site.shape, params=params, activations=total, elementwise=functions * total)

    def build(self, node: Node, site: Site) -> nn.Module:
        site.cost(node)  # raises if a function is not elementwise
        return Expression(_expression(node), site)


act = register(
    _Act(
        "act",
        inspect.Signature([inspect.Parameter("of", inspect.Parameter.POSITIONAL_OR_KEYWORD)]),
        """An activation composed of functions of ``x``.

It is computed in float32 or better, and every number in it is kept within ±32768, so that
neither it nor its slope is ever inf or not a number for any finite input.

Args:
    of: The outermost function. The functions are those of ``optnas.ops.elementary``, the merges
        of single numbers (``add``, ``mul``, ``sub``, ``div``, ``maximum``, ``minimum``, ``gate``,
        ``mean``, ``radial``, ``laplacian``, ``blend``) and, of ``x`` alone, any activation.

>>> from optnas import ops
>>> ops.act(ops.mul(ops.x(), ops.sigmoid(ops.scale(ops.x(), 1.2))))
act(mul(x, sigmoid(scale(x, 1.2))))
""",
    )
)


def _expression(node: Node) -> Node:
    of = node.arguments["of"]
    if not isinstance(of, Node):
        raise ValueError(f"act is made of functions such as x, not of {of!r}")
    return of


def _program(expression: Node) -> list[Node]:
    """Return the functions of an expression in evaluation order, operands first."""
    steps: list[Node] = []
    pending = [expression]
    while pending:
        part = pending.pop()
        steps.append(part)
        if isinstance(part.op, Function):
            if isinstance(part.op, merges.Merge):
                if part.op is merges.concat:
                    raise ValueError("concat is no function of single numbers")
                part.op.branches(part)
            pending.extend(operands_of(part))
    return steps[::-1]


class Expression(nn.Module):
    """Module that evaluates a tree of functions of its input step by step."""

    def __init__(self, expression: Node, site: Site) -> None:
        super().__init__()
        self.text = str(expression)
        self.steps = nn.ModuleList()
        self.operands: list[tuple[int, ...]] = []
        waiting: list[int] = []
        for index, part in enumerate(_program(expression)):
            if isinstance(part.op, Function):
                count = len(operands_of(part))
                learnable = part.op.params(part) > 0
                values = part.op.values(part)
                self.steps.append(Applied(part.op.apply, values, learnable=learnable, op=part.op))
            else:
                count = 0
                self.steps.append(site.build(part))
            # The operands are the latest results that are not used yet.
            rest = len(waiting) - count
            self.operands.append(tuple(waiting[rest:]))
            waiting[rest:] = []
            waiting.append(index)

    def forward(self, given: Tensor) -> Tensor:
        x = _bounded(given if given.dtype == torch.float64 else given.float())
        values: list[Tensor] = []
        # Autocast must not reduce constants or intermediate results to half precision.
        with torch.autocast(given.device.type, enabled=False):
            for step, operands in zip(self.steps, self.operands, strict=True):
                values.append(_bounded(step(*(values[i] for i in operands) if operands else (x,))))
        return values[-1].to(given.dtype)

    def extra_repr(self) -> str:
        return self.text


class _Bounded(torch.autograd.Function):
    """Clamp of values in the forward pass and of gradients in the backward pass."""

    generate_vmap_rule = True

    @staticmethod
    def forward(number: Tensor) -> Tensor:
        return number.clamp(-LARGEST, LARGEST)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        (number,) = ctx.saved_tensors
        return torch.where(number.abs() <= LARGEST, slope, 0).clamp(-_STEEPEST, _STEEPEST)


def _bounded(number: Tensor) -> Tensor:
    if torch.is_grad_enabled() and number.requires_grad:
        return _Bounded.apply(number)  # type: ignore[no-any-return,no-untyped-call]
    return number.clamp(-LARGEST, LARGEST)


_UNARY = (
    lambda of: of,
    f.negative,
    f.absolute,
    f.square,
    f.cube,
    f.sqrt,
    f.log,
    f.exp,
    f.sin,
    f.cos,
    f.sinh,
    f.cosh,
    tanh,
    f.asinh,
    f.atan,
    f.sinc,
    relu,
    f.negative_part,
    sigmoid,
    softplus,
    f.gaussian,
    f.erf,
)
_BINARY = (
    merges.add,
    merges.mul,
    merges.sub,
    merges.div,
    merges.maximum,
    merges.minimum,
    merges.gate,
    merges.radial,
    merges.laplacian,
    merges.blend,
)


def core_unit(units: int = 1, *, low: float = 0.1, high: float = 3.0, learnable: Any = False) -> Node:
    """Return the search space of activations of Ramachandran et al. 2017 (arXiv 1710.05941), section 3.

    A core unit is ``binary(unary(x), unary(x))``; with several units, each is the operand of the
    next one's left function.

    Args:
        units: Number of nested core units, 1 or 2.
        low: Lower bound of the constant β in βx, x + β and β.
        high: Upper bound of β.
        learnable: Whether these constants are learned during training, starting from the suggested
            values; ``choose(False, True)`` makes that a choice.

    Raises:
        SpaceError: If ``units`` is not 1 or 2; the number of formulas grows 5,000-fold with each unit.
    """
    if units not in (1, 2):
        raise SpaceError(f"core_unit({units!r}): nest 1 or 2 units")
    inner: Any = f.x()
    for unit in range(units):
        prefix = "" if units == 1 else f"unit{unit}."
        left = _unary(inner, f"{prefix}left", low, high, learnable)
        right = _unary(f.x(), f"{prefix}right", low, high, learnable)
        inner = choose(*(binary(left, right) for binary in _BINARY), name=f"{prefix}binary")
    return act(inner)


def _unary(of: Any, name: str, low: float, high: float, learnable: Any) -> Any:
    number = real(low, high, name=f"{name}.beta")
    fixed = [function(of) for function in _UNARY]
    return choose(
        *fixed,
        f.scale(of, number, learnable=learnable),
        f.shift(of, number, learnable=learnable),
        f.constant(number, learnable=learnable),
        name=name,
    )
