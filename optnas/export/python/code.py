"""Syntax tree of the code to write: calls that make modules, and classes with a forward of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from optnas.export.traced import CannotExport

__all__ = [
    "KEYWORD",
    "REQUIRED",
    "Argument",
    "Block",
    "Call",
    "CannotExport",
    "Code",
    "Leaf",
    "Text",
    "parts",
    "replaced",
]


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Required()
"""Stands for the default of a required argument that is written by position."""

KEYWORD: Any = _Required()
"""Stands for the default of a required argument that is written by name."""


@dataclasses.dataclass(frozen=True)
class Leaf:
    """A number or a tuple of numbers, which may become a parameter of a function or a class."""

    value: Any


@dataclasses.dataclass(frozen=True)
class Text:
    """Code that stands as it is."""

    text: str


@dataclasses.dataclass(frozen=True)
class Argument:
    """An argument of a call.

    Attributes:
        name: Its name; ``""`` for one of those that are given by position alone.
        value: What is given.
        default: What is taken if nothing is given.
    """

    name: str
    value: Code
    default: Any = REQUIRED

    @property
    def is_default(self) -> bool:
        return (
            isinstance(self.value, Leaf) and self.default is not REQUIRED and self.value.value == self.default
        )


@dataclasses.dataclass(frozen=True)
class Call:
    """A call that makes a module, such as ``nn.Conv2d(3, 16, 3)``.

    Attributes:
        function: What is called.
        arguments: Its arguments.
        origin: The name of the op that it was made for, if it is to be a function where it is repeated.
    """

    function: str
    arguments: tuple[Argument, ...] = ()
    origin: str = ""


@dataclasses.dataclass(frozen=True)
class Block:
    """A module with a class of its own.

    Attributes:
        name: What its class is called, as long as nothing else is.
        doc: Its docstring.
        attributes: What ``__init__`` sets, in the order of the weights.
        inputs: The arguments of its forward.
        lines: The body of its forward.
        kinds: The annotations of the arguments and of what is returned, if they are not tensors.
    """

    name: str
    doc: str
    attributes: tuple[tuple[str, Code], ...]
    inputs: tuple[str, ...]
    lines: tuple[str, ...]
    kinds: tuple[str, str] = ("Tensor", "Tensor")


Code = Leaf | Text | Call | Block


def parts(code: Code) -> Iterator[Code]:
    """Yield what a piece of code consists of."""
    if isinstance(code, Call):
        yield from (argument.value for argument in code.arguments)
    elif isinstance(code, Block):
        yield from (value for _, value in code.attributes)


def replaced(code: Code, values: list[Code]) -> Code:
    """Return a piece of code that consists of other ``values``."""
    if isinstance(code, Call):
        pairs = zip(code.arguments, values, strict=True)
        arguments = tuple(dataclasses.replace(argument, value=value) for argument, value in pairs)
        return dataclasses.replace(code, arguments=arguments)
    if isinstance(code, Block):
        names = (name for name, _ in code.attributes)
        return dataclasses.replace(code, attributes=tuple(zip(names, values, strict=True)))
    return code
