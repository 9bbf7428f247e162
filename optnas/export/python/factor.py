"""Finds what is repeated in a network, and makes functions and classes of it.

Pieces of code that differ in numbers alone are one function, whose parameters are the numbers that differ
(the least general generalisation of Plotkin 1970).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from optnas.export.python.code import REQUIRED, Argument, Block, Call, Code, Leaf, Text, parts, replaced
from optnas.export.python.names import GO_OUT, Names, parameter_names

__all__ = ["Definition", "Parameter", "factored"]

# Modules whose arguments are layers one after the other.
_CHAINS = {"nn.Sequential", "Residual", "Gate"}


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A parameter of a function or a class.

    Attributes:
        name: Its name.
        kind: Its annotation.
        default: What it is if it is not given.
    """

    name: str
    kind: str
    default: Any = REQUIRED


@dataclasses.dataclass(frozen=True)
class Definition:
    """A function that makes modules, or a class of modules.

    Attributes:
        name: Its name.
        parameters: What it takes.
        body: What it returns or consists of.
        origin: The name of the op that a function stands for.
    """

    name: str
    parameters: tuple[Parameter, ...]
    body: Call | Block
    origin: str = ""


def factored(root: Block, names: Names) -> tuple[Block, list[Definition]]:
    """Return a network with what is repeated in it replaced by calls, and what is called.

    Args:
        root: The network's class.
        names: The names that are taken.
    """
    definitions: list[Definition] = []
    while True:
        groups = _innermost(root)
        if not groups:
            return root, definitions
        calls: dict[int, Code] = {}
        for group in groups:
            if isinstance(group[0], Call) and not _pays(group):
                for each in group:
                    calls[id(each)] = _inlined(each)
                continue
            definition, made = _generalized(group, names)
            definitions.append(definition)
            calls |= {id(each): call for each, call in zip(group, made, strict=True)}
        root = _with(root, calls)


def _candidate(code: Code) -> bool:
    return isinstance(code, Block) or (isinstance(code, Call) and bool(code.origin))


def _innermost(root: Block) -> list[list[Any]]:
    """Return the candidates without others inside, those that differ in numbers alone together."""
    groups: dict[Any, list[Any]] = {}
    pending: list[tuple[Code, bool]] = [(root, True)]

    def visit(code: Code, top: bool) -> bool:
        inner = [visit(part, False) for part in parts(code)]
        if top or not _candidate(code):
            return any(inner)
        if not any(inner):
            groups.setdefault(_skeleton(code), []).append(code)
        return True

    visit(*pending.pop())
    return list(groups.values())


def _skeleton(code: Code) -> Any:
    match code:
        case Leaf(value) if isinstance(value, bool | str):
            return value
        case Leaf(value):
            # Of one kind: numbers are not generalised to tuples, nor whole ones to others.
            return "leaf", type(value), len(value) if isinstance(value, tuple) else 0
        case Text(text):
            return text
        case Call():
            arguments = ((each.name, _skeleton(each.value)) for each in code.arguments)
            return (code.function, code.origin, tuple(arguments))
        case Block():
            attributes = ((name, _skeleton(value)) for name, value in code.attributes)
            return (code.name, code.inputs, code.lines, tuple(attributes))


def _pays(group: Sequence[Call]) -> bool:
    """Return whether a function is shorter than what it replaces."""
    lines = _lines(group[0])
    distinct = len(set(group))
    return lines > 2 and lines * distinct > lines + 5 + distinct


def _lines(code: Code) -> int:
    """Estimate the number of lines of code."""
    if not isinstance(code, Call):
        return 0
    inside = [_lines(argument.value) for argument in code.arguments if isinstance(argument.value, Call)]
    return 1 if not inside else 2 + sum(inside)


def _inlined(code: Call) -> Call:
    return dataclasses.replace(code, origin="")


def _with(code: Any, calls: dict[int, Code]) -> Any:
    if id(code) in calls:
        return calls[id(code)]
    inner = list(parts(code))
    if not inner:
        return code
    made = replaced(code, [_with(each, calls) for each in inner])
    return _spliced(made) if isinstance(made, Call) and made.function in _CHAINS else made


def _spliced(code: Call) -> Call:
    """Return a chain with the layers of chains in it, which are of no interest by themselves."""
    arguments: list[Argument] = []
    for argument in code.arguments:
        value = argument.value
        inside = isinstance(value, Call) and value.function == "nn.Sequential" and not value.origin
        arguments += value.arguments if inside and isinstance(value, Call) else [argument]
    return dataclasses.replace(code, arguments=tuple(arguments))


def _leaves(code: Code) -> list[tuple[str, str, Any, Any]]:
    """Return the numbers in code: what is called, the name of the argument, its value and its default."""
    found: list[tuple[str, str, Any, Any]] = []
    if isinstance(code, Call):
        for argument in code.arguments:
            if isinstance(argument.value, Leaf):
                found.append((code.function, argument.name, argument.value.value, argument.default))
            else:
                found += _leaves(argument.value)
    elif isinstance(code, Block):
        for name, value in code.attributes:
            if isinstance(value, Leaf):
                found.append(("", name, value.value, REQUIRED))
            else:
                found += _leaves(value)
    return found


def _generalized(group: Sequence[Any], names: Names) -> tuple[Definition, list[Call]]:
    """Return the definition that all of a group are calls of, and the calls."""
    each = [_leaves(code) for code in group]
    columns = [tuple(leaves[place][2] for leaves in each) for place in range(len(each[0]))]
    places: dict[Any, list[int]] = {}  # the leaves that are always equal are one parameter
    for place, values in enumerate(columns):
        if len(set(values)) > 1:
            places.setdefault(values, []).append(place)
    expressions: dict[int, str] = {}
    taken: list[tuple[Any, list[int]]] = []
    for values, where in places.items():
        if (base := _derived(values, [known for known, _ in taken])) is None:
            taken.append((values, where))
        else:
            expressions |= dict.fromkeys(where, f"{base[0]}\x00{base[1]}")
    last = max((place for place, leaf in enumerate(each[0]) if leaf[1] in GO_OUT), default=-1)
    called = parameter_names([[(place, each[0][place][1]) for place in where] for _, where in taken], last)
    parameters = []
    for name, (values, where) in zip(called, taken, strict=True):
        expressions |= dict.fromkeys(where, name)
        defaults = {repr(each[0][place][3]): each[0][place][3] for place in where}
        default = next(iter(defaults.values())) if len(defaults) == 1 else REQUIRED
        if default not in values:
            default = REQUIRED
        parameters.append((Parameter(name, _kind(values[0]), default), values))
    by_values = {values: name for name, (values, _) in zip(called, taken, strict=True)}
    for place, text in expressions.items():
        if "\0" in text:
            known, factor = text.split("\0")
            expressions[place] = factor.format(by_values[taken[int(known)][0]])
    parameters.sort(key=lambda pair: pair[0].default is not REQUIRED)
    first = group[0]
    body = _filled(first, iter(range(len(columns))), expressions)
    if isinstance(first, Block):
        name = names.of_class(first.name)
        body = dataclasses.replace(body, name=name)
    else:
        name = names.of_function(first.origin)
        body = dataclasses.replace(body, origin="")
    taken_by_it = tuple(parameter for parameter, _ in parameters)
    definition = Definition(name, taken_by_it, body, "" if isinstance(first, Block) else first.origin)
    calls = [
        Call(name, tuple(Argument(p.name, Leaf(values[i]), p.default) for p, values in parameters))
        for i in range(len(group))
    ]
    return definition, calls


def _derived(values: tuple[Any, ...], known: Sequence[tuple[Any, ...]]) -> tuple[int, str] | None:
    """Return the parameter that numbers are computed from, and how; ``None`` if they are of none."""
    if not all(type(value) is int and value >= 0 for value in values):
        return None
    for place, others in enumerate(known):
        if not all(type(other) is int and other > 0 for other in others) or len(set(others)) < 2:
            continue
        pairs = list(zip(values, others, strict=True))
        for factor in (2, 3, 4, 6, 8):
            if all(value == factor * other for value, other in pairs):
                return place, f"{factor} * {{}}"
        for divisor in (2, 4, 8):
            if all(value == other // divisor for value, other in pairs):
                return place, f"{{}} // {divisor}"
        if all(value == other - 1 for value, other in pairs):  # the padding of dilated kernels
            return place, "{} - 1"
    return None


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"tuple[{', '.join(type(each).__name__ for each in value)}]"
    return type(value).__name__


def _filled(code: Any, places: Any, expressions: dict[int, str]) -> Any:
    """Return code with parameters in the places of some of its numbers."""
    values: list[Code] = []
    for part in parts(code):
        if isinstance(part, Leaf):
            text = expressions.get(next(places))
            values.append(part if text is None else Text(text))
        else:
            values.append(_filled(part, places, expressions))
    return replaced(code, values)
