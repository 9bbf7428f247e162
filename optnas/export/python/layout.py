"""Expressions as text, laid out as ``ruff format`` does."""

from __future__ import annotations

import re
import struct
from typing import Any

from optnas.export.python.code import REQUIRED, Argument, Block, Call, Code, Leaf, Text

__all__ = ["WIDTH", "assignment", "expression", "literal", "returned"]

WIDTH = 100
_STEP = "    "


def literal(value: Any) -> str:
    """Return a value as Python's source."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple | list):
        inner = ", ".join(map(literal, value))
        inner += "," if len(value) == 1 and isinstance(value, tuple) else ""
        return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
    return _short(value) if isinstance(value, float) else repr(value)


def _text(value: str) -> str:
    """Return a text in those quotes of which fewer must be escaped, double ones where that is equal."""
    inner = repr(f"'\"{value}")[4:-1]  # with both in it, Python escapes single ones
    if value.count('"') > value.count("'"):
        return f"'{inner}'"
    instead = {"\\'": "'", '"': '\\"'}
    return '"' + re.sub(r'\\.|"', lambda match: instead.get(match[0], match[0]), inner) + '"'


def _short(value: float) -> str:
    """Return the fewest digits that are the same number in float32."""
    for digits in range(4, 17):
        text = repr(float(f"{value:.{digits}g}"))
        if struct.pack("f", float(text)) == struct.pack("f", value):
            return text
    return repr(value)


def assignment(target: str, code: Code, indent: int) -> list[str]:
    """Return the lines of ``target = code``."""
    return _joined(f"{target} = ", code, "", indent)


def returned(code: Code, indent: int) -> list[str]:
    """Return the lines of ``return code``."""
    return _joined("return ", code, "", indent)


def expression(code: Code) -> str:
    """Return code in one line."""
    match code:
        case Leaf(value):
            return literal(value)
        case Text(text):
            return text
        case Call():
            return f"{code.function}({', '.join(_items(code))})"
        case Block():
            raise TypeError("a class is no expression")


def _joined(before: str, code: Code, after: str, indent: int) -> list[str]:
    space = _STEP * indent
    line = f"{space}{before}{expression(code)}{after}"
    if len(line) <= WIDTH or not isinstance(code, Call) or not code.arguments:
        return [line]
    opened, closed = f"{space}{before}{code.function}(", f"{space}){after}"
    # As ruff does: all arguments in a line of their own if they fit, else each in one.
    inner = f"{space}{_STEP}{', '.join(_items(code))}"
    if len(inner) <= WIDTH:
        return [opened, inner, closed]
    lines = [opened]
    for argument, name, repeats in _shown(code):
        if repeats > 1:
            lines += _repeated(argument.value, repeats, indent + 1)
        else:
            lines += _joined(name, argument.value, ",", indent + 1)
    return [*lines, closed]


def _repeated(code: Code, repeats: int, indent: int) -> list[str]:
    space, every = _STEP * indent, f"for _ in range({repeats})"
    line = f"{space}*({expression(code)} {every}),"
    if len(line) <= WIDTH:
        return [line]
    inner = f"{space}{_STEP}{expression(code)} {every}"
    if len(inner) <= WIDTH:
        return [f"{space}*(", inner, f"{space}),"]
    return [f"{space}*(", *_joined("", code, "", indent + 1), f"{space}{_STEP}{every}", f"{space}),"]


def _items(code: Call) -> list[str]:
    items = []
    for argument, name, repeats in _shown(code):
        text = expression(argument.value)
        items.append(f"*({text} for _ in range({repeats}))" if repeats > 1 else f"{name}{text}")
    return items


def _shown(code: Call) -> list[tuple[Argument, str, int]]:
    """Return arguments with how they begin and how often each follows itself; only modules repeat so."""
    found: list[tuple[Argument, str, int]] = []
    for argument in code.arguments:
        if argument.is_default:
            continue
        name = f"{argument.name}=" if argument.name and argument.default is not REQUIRED else ""
        if found and not argument.name and found[-1][0] == argument and isinstance(argument.value, Call):
            found[-1] = (argument, name, found[-1][2] + 1)
        else:
            found.append((argument, name, 1))
    return found
