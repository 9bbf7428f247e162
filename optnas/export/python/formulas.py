"""Functions of numbers as source: activations, their elementary functions, and merges."""

from __future__ import annotations

from collections.abc import Sequence

from optnas.export.python.code import CannotExport

__all__ = ["LEARNED", "function_of", "merge_of"]

_LIMIT = "math.log(2.0**15)"
_EPSILON = "1e-3"
# Of one operand, {0}; constants by name.
_FUNCTIONS = {
    "absolute": "{0}.abs()",
    "asinh": "torch.asinh({0})",
    "atan": "torch.atan({0})",
    "constant": "{0} * 0 + {value}",
    "cos": "torch.cos({0})",
    "cosh": f"torch.cosh({{0}}.clamp(-{_LIMIT}, {_LIMIT}))",
    "cube": "{0} * {0} * {0}",
    "erf": "torch.erf({0})",
    "exp": "exponential({0})",
    "gaussian": "(-{0} * {0}).exp()",
    "gelu": "F.gelu({0})",
    "hardsigmoid": "F.hardsigmoid({0})",
    "hardswish": "F.hardswish({0})",
    "hardtanh": "F.hardtanh({0})",
    "log": f"({{0}}.abs() + {_EPSILON}).log()",
    "mish": "F.mish({0})",
    "negative": "-{0}",
    "negative_part": "{0}.clamp(max=0)",
    "relu": "torch.relu({0})",
    "relu6": "F.relu6({0})",
    "scale": "{0} * {factor}",
    "selu": "F.selu({0})",
    "shift": "{0} + {by}",
    "sigmoid": "torch.sigmoid({0})",
    "silu": "F.silu({0})",
    "sin": "torch.sin({0})",
    "sinc": "sinc({0})",
    "sinh": f"torch.sinh({{0}}.clamp(-{_LIMIT}, {_LIMIT}))",
    "softplus": "F.softplus({0})",
    "softsign": "F.softsign({0})",
    "sqrt": f"({{0}}.abs() + {_EPSILON}).sqrt()",
    "square": "{0} * {0}",
    "tanh": "torch.tanh({0})",
    "x": "{0}",
}
_OF_TWO = {
    "blend": "{beta} * {0} + (1 - {beta}) * {1}",
    "div": f"{{0}} / torch.where({{1}} < 0, {{1}} - {_EPSILON}, {{1}} + {_EPSILON})",
    "laplacian": "exponential(-{beta} * ({0} - {1}).abs())",
    "radial": "exponential(-{beta} * ({0} - {1}) * ({0} - {1}))",
    "sub": "{0} - {1}",
}
LEARNED = {
    "_continuous_elu": (
        "celu",
        (
            "alpha = torch.where({alpha}.abs() < 1e-3, {alpha}.sign() * 1e-3 + 1e-6, {alpha})",
            "return x.clamp(min=0) + alpha * (x.clamp(max=0) / alpha).clamp(max=0).expm1()",
        ),
    ),
    "_exponential_linear": ("elu", ("return x.clamp(min=0) + {alpha} * x.clamp(max=0).expm1()",)),
    "_leaky": ("leaky_relu", ("return x.clamp(min=0) + {slope} * x.clamp(max=0)",)),
    "_shifted_swish": ("shifted_swish", ("return x * torch.sigmoid({beta} * x + {shift})",)),
    "_swish": ("swish", ("return x * torch.sigmoid({beta} * x)",)),
}
"""Activations with constants, by the function that computes them: their names and their lines."""


def function_of(name: str, operand: str, **constants: str) -> str:
    """Return the source of an elementary function of an operand, which is a name.

    Raises:
        CannotExport: If it is not known.
    """
    if name not in _FUNCTIONS:
        raise CannotExport(f"the function {name} has no source of its own")
    return _FUNCTIONS[name].format(operand, **constants)


def merge_of(name: str, operands: Sequence[str], axis: int = 1, **constants: str) -> str:
    """Return the source of a merge of operands, which are names or calls.

    Args:
        name: Its op's.
        operands: What it merges.
        axis: Where ``concat`` joins.

    Raises:
        CannotExport: If it is not known.
    """
    together = ", ".join(operands)
    match name:
        case "add":
            return " + ".join(operands)
        case "mul":
            return " * ".join(operands)
        case "mean":
            return f"({' + '.join(operands)}) / {len(operands)}"
        case "concat":
            return f"torch.cat(({together}{',' if len(operands) == 1 else ''}), {axis})"
        case "gate":
            return " * ".join([operands[0], *(f"{each}.sigmoid()" for each in operands[1:])])
        case "maximum" | "minimum":
            text = operands[0]
            for each in operands[1:]:
                text = f"torch.{name}({text}, {each})"
            return text
    if name not in _OF_TWO:
        raise CannotExport(f"the merge {name} has no source of its own")
    return _OF_TWO[name].format(*operands, **constants)
