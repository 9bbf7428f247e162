"""Formulas of activations: ``act(mul(x, sigmoid(scale(x, 1.2))))`` as x · σ(1.2x)."""

from __future__ import annotations

from typing import Any

from optnas.space import Node
from optnas.space.holes import Choose, Hole

__all__ = ["GATED", "formula"]

GATED = ("swish", "shifted_swish")
"""Activations x · σ(β₁x + β₂), whose constants say more in the formula than by their names."""

_NAMES = {"sigmoid": "σ", "absolute": "abs", "sqrt": "√"}
_INFIX = {"add": " + ", "mul": " · ", "sub": " − ", "div": " / "}
_POWERS = {"square": "²", "cube": "³"}


def formula(node: Node) -> str:
    """Return the formula of an activation that is an expression, with open choices in braces."""
    return _of(node.arguments["of"] if node.op.name == "act" else node, top=True)


def _of(value: Any, *, top: bool = False) -> str:
    match value:
        case float():
            return f"{value:.3g}".replace("-", "−")
        case Choose(options=options):
            return "{" + ", ".join(_of(option) for option in options) + "}"
        case Hole():
            return _range(value)
        case Node():
            return _node(value, top)
    return str(value)


def _times(factor: Any, of: str) -> str:
    if factor == 1:
        return of
    return f"{_of(factor)}{of if of[0] in 'x(' else '·' + of}"


def _added(value: Any) -> str:
    if isinstance(value, float | int) and value <= 0:
        return f" − {_of(float(-value))}" if value else ""
    return f" + {_of(value)}"


def _range(hole: Hole) -> str:
    low, high = getattr(hole, "low", None), getattr(hole, "high", None)
    return hole.word if low is None or high is None else f"{low:.3g}–{high:.3g}"


def _node(node: Node, top: bool) -> str:
    name, arguments = node.op.name, dict(node.args)
    of = arguments.pop("of", None)
    operands = [*([] if of is None else [of]), *node.children]
    arguments.pop("learnable", None)
    if name == "x":
        return "x"
    if name == "constant":
        return _of(arguments["value"])
    if name in _INFIX and len(operands) > 1:
        text = _INFIX[name].join(_of(operand) for operand in operands)
        return text if top else f"({text})"
    if name == "scale":
        return _times(arguments["factor"], _of(of))
    if name == "shift":
        text = f"{_of(of, top=True)}{_added(arguments['by'])}"
        return text if top else f"({text})"
    if name in GATED and not operands:
        text = f"x · σ({_times(arguments['beta'], 'x')}{_added(arguments.get('shift', 0.0))})"
        return text if top else f"({text})"
    if name == "negative" and operands:
        return f"−{_of(operands[0])}"
    if name in _POWERS and operands:
        return f"{_of(operands[0])}{_POWERS[name]}"
    inside = [_of(operand, top=True) for operand in operands] or ["x"]
    inside += [
        _of(value) for value in arguments.values() if value is not None and not isinstance(value, bool)
    ]
    return f"{_NAMES.get(name, name)}({', '.join(inside)})"
