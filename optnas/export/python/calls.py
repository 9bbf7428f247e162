"""Calls, chains and small classes, of which the code of a network consists."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

from optnas.export.python.code import KEYWORD, REQUIRED, Argument, Block, Call, CannotExport, Code, Leaf, Text
from optnas.export.python.layout import literal
from optnas.ops import modules as m
from optnas.ops.wrapped import Wrapped

__all__ = [
    "applying",
    "call",
    "chain",
    "constant",
    "first_line",
    "function_layer",
    "items",
    "unless",
    "value_code",
]


def call(function: str, *given: Code, origin: str = "", **named: Any) -> Call:
    """Return a call of numbers by name and of code by position.

    A pair of a value and a default is an argument that is left out where they are equal.
    """
    arguments = [Argument("", each) for each in given]
    for name, value in named.items():
        default = REQUIRED
        if isinstance(value, tuple) and len(value) == 2 and name != "padding":
            value, default = value
        arguments.append(Argument(name, value if isinstance(value, Call | Text) else Leaf(value), default))
    return Call(function, tuple(arguments), origin)


def chain(codes: list[Code], origin: str = "") -> Code:
    """Return layers one after the other."""
    flat: list[Code] = []
    for code in codes:
        if isinstance(code, Call) and code.function == "nn.Identity":
            continue
        inside = isinstance(code, Call) and code.function == "nn.Sequential" and not code.origin
        flat += [each.value for each in code.arguments] if inside and isinstance(code, Call) else [code]
    if not flat:
        return Call("nn.Identity")
    if len(flat) == 1 and not origin:
        return flat[0]
    return call("nn.Sequential", *flat, origin=origin)


def function_layer(module: m.Function) -> Code | None:
    """Return the class of a layer that computes one expression of its input; ``None`` for any other."""
    function = module.function
    try:
        (defined,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    body = defined.body if isinstance(defined, ast.FunctionDef) else []
    # One line behind the docstring, which uses nothing but its input.
    last = body[-1] if 1 <= len(body) <= 2 else None
    if not isinstance(last, ast.Return) or module.op is None:
        return None
    if {each.id for each in ast.walk(last) if isinstance(each, ast.Name)} != {"x"}:
        return None
    return Block(module.op.name, first_line(module.op.__doc__), (), ("x",), (ast.unparse(last),))


def applying(op: Wrapped, name: str, given: dict[str, Code]) -> Block:
    """Return the class of a layer that applies the user's own function."""
    inner = [
        f"{each}={code.text if isinstance(code, Text) else f'self.{each}'}" for each, code in given.items()
    ]
    attributes = tuple((each, code) for each, code in given.items() if not isinstance(code, Text))
    lines = (f"return {', '.join([f'{name}(x', *inner])})",)
    return Block(f"{name.rpartition('.')[2]}_layer", f"Applies ``{name}``.", attributes, ("x",), lines)


def value_code(value: Any, op: str) -> Code:
    """Return a value that an op of the user's own was given as code.

    Raises:
        CannotExport: If it has no short source.
    """
    if isinstance(value, bool | None | str):
        return Text(literal(value))
    if isinstance(value, int | float) or (
        isinstance(value, tuple) and all(isinstance(each, int | float) for each in value)
    ):
        return Leaf(value)
    if isinstance(value, tuple):
        return Text(literal(value))
    raise CannotExport(f"the op {op} was made with {value!r:.60}, which has no short source")


def constant(value: float, learned: bool) -> Code:
    return call("nn.Parameter", call("torch.tensor", Leaf(float(value)))) if learned else Leaf(value)


def unless(name: str, kind: str, default: str) -> dict[str, Any]:
    return {} if kind == default else {name: (Text(kind), KEYWORD)}


def items(code: Code) -> list[Code]:
    """Return layers as the arguments of a module that is a chain itself."""
    if isinstance(code, Call) and code.function == "nn.Sequential" and not code.origin:
        return [each.value for each in code.arguments]
    return [code]


def first_line(doc: str | None) -> str:
    return (doc or "").strip().split("\n")[0]
