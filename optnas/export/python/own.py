"""The source of the user's own ops, with all of the user's code that they use."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from optnas.export.python.code import CannotExport
from optnas.export.python.layout import WIDTH, literal
from optnas.ops.wrapped import Wrapped
from optnas.space.code import in_library
from optnas.space.op import Op

__all__ = ["OwnCode"]

# Numbers of an array that is written as code: more are no constant that anyone reads.
_MOST_NUMBERS = 1_000
_DTYPES = {"bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"}


class OwnCode:
    """Collects the source of functions and classes.

    Attributes:
        sources: The sources of functions and classes by name, in an order in which they can stand.
        constants: Those of constants.
        imports: The lines that import what they use.
    """

    def __init__(self) -> None:
        self.sources: dict[str, str] = {}
        self.constants: dict[str, str] = {}
        self.imports: set[str] = set()
        self._of: dict[str, Any] = {}

    def name_of(self, op: Wrapped) -> str:
        """Return the name of what an op was made from, whose source is collected.

        Raises:
            CannotExport: If it has no source, or one that cannot stand in another file.
        """
        wrapped = op.function
        public = _public(wrapped)
        if public is not None:
            return public
        if _library(wrapped, op.name):
            self.imports.add(f"from {wrapped.__module__} import {wrapped.__name__}")
            return str(wrapped.__name__)
        self._collect(wrapped, op.name)
        return str(wrapped.__name__)

    def _collect(self, wrapped: Any, op: str) -> None:
        name = getattr(wrapped, "__name__", "")
        if name in self._of:
            if self._of[name] is not wrapped:
                raise CannotExport(f"the op {op} uses two things called {name!r}: rename one of them")
            return
        if not name.isidentifier() or not isinstance(wrapped, FunctionType | type):
            made_from = "a lambda" if name == "<lambda>" else f"{wrapped!r:.60}"
            raise CannotExport(f"the op {op} was made from {made_from}, which has no source to be written")
        if isinstance(wrapped, FunctionType) and wrapped.__closure__:
            raise CannotExport(f"the op {op} uses {name!r}, which depends on where it was defined")
        self._of[name] = wrapped
        try:
            source = _without_optnas(textwrap.dedent(inspect.getsource(wrapped)))
        except (OSError, TypeError, SyntaxError):
            raise CannotExport(
                f"the source of {name!r}, which the op {op} uses, is not to be found"
            ) from None
        known = _globals(wrapped)
        for used in _names(source):
            if used in known and used != name:
                self._use(used, known[used], op)
        self.sources[name] = source.rstrip()

    def _use(self, name: str, value: Any, op: str) -> None:
        """Collect what is called ``name`` in the source of an op."""
        if isinstance(value, Op) and isinstance(value, Wrapped):
            value = value.function
        if isinstance(value, ModuleType):
            if not _library(value, op):
                raise CannotExport(
                    f"the op {op} uses the module {value.__name__}: import what it uses by name"
                )
            self.imports.add(_import_of(name, value))
        elif isinstance(value, FunctionType | type) or callable(value):
            public = _home(value, op)
            if public is not None:
                self.imports.add(f"from {public} import {value.__name__}{_as(value.__name__, name)}")
            elif getattr(value, "__name__", None) == name:
                self._collect(value, op)
            else:
                raise CannotExport(f"the op {op} uses {name!r}, which is no function or class of that name")
        elif isinstance(value, bool | int | float | str | tuple | None) and _plain(value):
            self.constants[name] = f"{name} = {literal(value)}"
        elif isinstance(value, np.ndarray | Tensor) and not isinstance(value, nn.Parameter):
            self.constants[name] = f"{name} = {_array(name, value, op)}"
            if isinstance(value, np.ndarray):
                self.imports.add("import numpy as np")
        else:
            raise CannotExport(
                f"the op {op} uses {name!r}, a {type(value).__name__}, which is no plain constant: a number,"
                " a text, a tuple of these, an array"
            )


def _array(name: str, value: np.ndarray[Any, Any] | Tensor, op: str) -> str:
    """Return a constant array as code that makes it.

    Raises:
        CannotExport: If it is too large for that, or holds what is not written as numbers.
    """
    ours = isinstance(value, Tensor)
    count = value.numel() if isinstance(value, Tensor) else value.size
    dtype = str(value.dtype).removeprefix("torch.")
    if not 0 < count <= _MOST_NUMBERS or dtype not in _DTYPES:
        raise CannotExport(
            f"the op {op} uses {name!r}, an array of {count:,} numbers of {dtype}: arrays of 1 to"
            f" {_MOST_NUMBERS} plain numbers are written as code"
        )
    numbers = repr(value.tolist())
    if re.search(r"\b(nan|inf)\b", numbers):
        raise CannotExport(f"the op {op} uses {name!r}, an array that holds NaN or an infinite number")
    dtype = f"torch.{dtype}" if ours else "bool" if dtype == "bool" else f"np.{dtype}"
    text = f"{'torch.tensor' if ours else 'np.array'}({numbers}, dtype={dtype})"
    if len(f"{name} = {text}") <= WIDTH:
        return text
    lines = textwrap.wrap(numbers, WIDTH - 8, break_long_words=False)
    inner = "\n".join(f"    {line}" for line in lines)
    return f"{text[: text.index('(') + 1]}\n{inner},\n    dtype={dtype},\n)"


def _globals(wrapped: Any) -> dict[str, Any]:
    if isinstance(wrapped, FunctionType):
        return wrapped.__globals__
    return vars(sys.modules[wrapped.__module__])


def _names(source: str) -> Iterator[str]:
    """Yield the names that a source reads, each once, in its order."""
    found: dict[str, None] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and not hasattr(builtins, node.id):
            found.setdefault(node.id)
    yield from found


def _without_optnas(source: str) -> str:
    """Return the source of a function or class without its decorator ``op`` and without trees as arguments.

    An argument that takes a tree gets the module that the tree was built as.
    """
    (defined,) = ast.parse(source).body
    assert isinstance(defined, ast.FunctionDef | ast.ClassDef)
    lines = source.encode().split(b"\n")  # ast counts bytes
    for function in [each for each in ast.walk(defined) if isinstance(each, ast.FunctionDef)]:
        for annotation, default in reversed(_trees(function)):
            if default is not None:
                _replace(lines, default, b"None")
            _replace(lines, annotation, b"nn.Module" if default is None else b"nn.Module | None")
    for decorator in reversed(defined.decorator_list):
        of = decorator.func if isinstance(decorator, ast.Call) else decorator
        if (of.attr if isinstance(of, ast.Attribute) else getattr(of, "id", "")) == "op":
            del lines[decorator.lineno - 1 : decorator.end_lineno]
    return b"\n".join(lines).decode()


def _trees(function: ast.FunctionDef) -> list[tuple[ast.expr, ast.expr | None]]:
    """Return the annotations and the defaults of the parameters that take a tree, in their order."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    defaults = [*[None] * (len(positional) - len(given.defaults)), *given.defaults]
    several = [] if given.vararg is None else [(given.vararg, None)]
    pairs = [*zip(positional, defaults, strict=True), *several]
    pairs += zip(given.kwonlyargs, given.kw_defaults, strict=True)
    return [
        (parameter.annotation, default)
        for parameter, default in pairs
        if parameter.annotation is not None and ast.unparse(parameter.annotation).endswith("Node")
    ]


def _replace(lines: list[bytes], part: ast.expr, by: bytes) -> None:
    """Replace a part of a source."""
    assert part.end_lineno is not None
    first, last = part.lineno - 1, part.end_lineno - 1
    lines[first : last + 1] = [lines[first][: part.col_offset] + by + lines[last][part.end_col_offset :]]


def _public(value: Callable[..., Any]) -> str | None:
    """Return the name of a function or class of PyTorch's in its usual imports, such as ``nn.ReLU``."""
    name = getattr(value, "__name__", "")
    for prefix, module in (("torch", torch), ("F", functional), ("nn", nn)):
        if name and getattr(module, name, None) is value:
            return f"{prefix}.{name}"
    return None


def _home(value: Any, op: str) -> str | None:
    """Return the module from which a library's function or class is imported; ``None`` for the user's own."""
    if not _library(value, op):
        return None
    name = getattr(value, "__name__", "")
    for module in ("torch", "torch.nn", "torch.nn.functional"):
        if getattr(sys.modules[module], name, None) is value:
            return module
    return str(value.__module__)


def _library(value: Any, op: str) -> bool:
    """Return whether something is Python's or an installed package's.

    Raises:
        CannotExport: If it is optnas's.
    """
    module = (
        value if isinstance(value, ModuleType) else sys.modules.get(str(getattr(value, "__module__", "")))
    )
    name = module.__name__ if module is not None else ""
    if name.split(".")[0] == "optnas":
        called = getattr(value, "__name__", name)
        raise CannotExport(f"the op {op} uses {called!r} of optnas, without which the code is to run")
    return in_library(getattr(module, "__file__", None), module)


def _import_of(name: str, module: ModuleType) -> str:
    whole = module.__name__
    package, _, last = whole.rpartition(".")
    if name == whole.split(".")[0]:
        return f"import {whole}" if name == whole else f"import {name}"
    return f"from {package} import {last}{_as(last, name)}" if package else f"import {whole} as {name}"


def _as(name: str, called: str) -> str:
    return "" if name == called else f" as {called}"


def _plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_plain, value))
    return isinstance(value, bool | int | float | str | None)
