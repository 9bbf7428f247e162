"""Elementary functions for activations (Ramachandran et al. 2017, arXiv 1710.05941, section 3.2).

Each has finite values and finite derivatives for every finite operand, however large.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from optnas.ops.pointwise import pointwise
from optnas.space import Node

__all__ = [
    "EPSILON",
    "LARGEST",
    "absolute",
    "asinh",
    "atan",
    "constant",
    "cos",
    "cosh",
    "cube",
    "erf",
    "exp",
    "exponential",
    "gaussian",
    "log",
    "negative",
    "negative_part",
    "scale",
    "shift",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "square",
    "x",
]

# The largest number that an expression holds: a power of two, exact in every floating-point
# format, and below float16's 65504.
LARGEST = 2.0**15
_LOG_LARGEST = math.log(LARGEST)
# The offset that keeps logarithms, roots and quotients away from their poles.
EPSILON = 1e-3


def exponential(of: Tensor) -> Tensor:
    """Return the exponential function, limited to :data:`LARGEST`."""
    return of.clamp(max=_LOG_LARGEST).exp()


def _sinc(of: Tensor) -> Tensor:
    # Near 0 the quotient's slope is 0/0; there the series is exact to float32's last digit.
    near = of.abs() < 1e-2
    away = torch.where(near, 1.0, of)
    return torch.where(near, 1 - of * of / 6, away.sin() / away)


def _hyperbolic(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda of: function(of.clamp(-_LOG_LARGEST, _LOG_LARGEST))


def _nothing_at(constant: str, neutral: float) -> Callable[[Node], Node | None]:
    """Return a ``simplify`` function that removes a node whose fixed ``constant`` is ``neutral``."""

    def simplify(node: Node) -> Node | None:
        arguments = node.arguments
        of = arguments["of"]
        nothing = not arguments["learnable"] and arguments[constant] == neutral
        return of if nothing and isinstance(of, Node) else node

    return simplify


x = pointwise(
    "x", lambda of: of, "What the layer is given.", of=False, module=nn.Identity, functions=0,
    simplify=lambda node: None,
)  # fmt: skip
negative = pointwise("negative", torch.neg, "-x.")
absolute = pointwise("absolute", torch.abs, "|x|.")
square = pointwise("square", torch.square, "x².")
cube = pointwise("cube", lambda of: of * of * of, "x³.", functions=2)
sqrt = pointwise("sqrt", lambda of: (of.abs() + EPSILON).sqrt(), "√(|x| + 0.001).", functions=3)
log = pointwise("log", lambda of: (of.abs() + EPSILON).log(), "log(|x| + 0.001).", functions=3)
exp = pointwise("exp", exponential, "exp(x), at most 32768.")
sin = pointwise("sin", torch.sin, "sin(x).")
cos = pointwise("cos", torch.cos, "cos(x).")
sinh = pointwise("sinh", _hyperbolic(torch.sinh), "sinh(x), x kept within ±10.4.")
cosh = pointwise("cosh", _hyperbolic(torch.cosh), "cosh(x), x kept within ±10.4.")
asinh = pointwise("asinh", torch.asinh, "The inverse of sinh.")
atan = pointwise("atan", torch.atan, "The inverse of the tangent.")
sinc = pointwise("sinc", _sinc, "sin(x)/x.", functions=2)
negative_part = pointwise("negative_part", lambda of: of.clamp(max=0), "min(x, 0).")
erf = pointwise("erf", torch.erf, "The error function.")
gaussian = pointwise("gaussian", lambda of: (-of * of).exp(), "exp(-x²).", functions=3)
scale = pointwise(
    "scale", lambda of, factor: of * factor, "βx, written ``scale(x, 1.2)``.", "factor",
    simplify=_nothing_at("factor", 1),
)  # fmt: skip
shift = pointwise(
    "shift", lambda of, by: of + by, "x + β, written ``shift(x, 0.5)``.", "by", simplify=_nothing_at("by", 0)
)
constant = pointwise(
    "constant", lambda of, value: of * 0 + value, "β everywhere, written ``constant(0.5)``.", "value",
    of=False, functions=0,
)  # fmt: skip
