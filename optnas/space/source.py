"""Digest of what functions and classes compute: their source, and that of the user's code they depend on.

It is the same in every process, folder and module, and changes neither with comments and layout nor with
line numbers. Python, PyTorch and other installed packages count by the names of what is used of them.
"""

from __future__ import annotations

import ast
import dis
import functools
import hashlib
import inspect
import linecache
import os
import site
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from optnas.space.values import TreeValue

__all__ = ["digest_of", "place_of", "source_of", "users_frames"]

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))
# Larger arrays among the constants count by their shape.
_LARGEST_ARRAY = 2**16

_LIBRARIES = tuple(
    {
        f"{Path(str(path))}{os.sep}"
        for path in (
            *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
            *site.getsitepackages(),
            site.getusersitepackages(),
            Path(__file__).parents[1],
        )
    }
)


def digest_of(*values: Any) -> str:
    """Return a digest of functions, classes and constants with all of the user's code they depend on."""
    reader = _Reader()
    for value in values:
        reader.add(value, root=True)
    return hashlib.blake2b("\n".join(reader.lines).encode(errors="replace"), digest_size=12).hexdigest()


def source_of(value: Any) -> str:
    """Return the source of a function or class alone, normalised; empty if it has none."""
    value = inspect.unwrap(value)
    if inspect.isclass(value):
        functions = [member for member in vars(value).values() if isinstance(member, FunctionType)]
        return "\n".join(_source(function.__code__) for function in functions)
    return _source(value.__code__) if isinstance(value, FunctionType) else ""


def users_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the frames of an error's traceback that are not Python's, optnas's or an installed package's."""
    return [frame for frame in traceback.extract_tb(error.__traceback__) if not _in_library(frame.filename)]


def place_of(error: BaseException) -> str:
    """Return where in the user's own code an error arose, as `` (file.py:12)``; or nothing."""
    frames = [frame for frame in users_frames(error) if not frame.filename.startswith("<")]
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""


class _Reader:
    """Collects descriptions of values, each one once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []  # as an id is free again once its object is gone

    def add(self, value: Any, *, root: bool = False) -> None:
        """Describe a value; of what is a library's only the name, but at the ``root`` its source, too."""
        if isinstance(value, _PLAIN):
            self.lines.append(repr(value))
            return
        if id(value) in self._seen:
            self.lines.append(f"#{self._seen[id(value)]}")
            return
        self._seen[id(value)] = len(self._seen)
        self._kept.append(value)
        if isinstance(value, list | tuple):
            self._all(type(value).__name__, value)
        elif isinstance(value, set | frozenset):
            self.lines += ["set", *sorted(digest_of(item) for item in value)]
        elif isinstance(value, Mapping):
            self._members("mapping", {str(key): item for key, item in value.items()})
        elif isinstance(value, TreeValue):
            self._all("tree", value._content())
        elif isinstance(value, FunctionType):
            self._function(value, root)
        elif inspect.isclass(value):
            self._class(value, root)
        elif isinstance(value, staticmethod | classmethod | MethodType):
            self._all("method", (value.__func__, getattr(value, "__self__", None)))
        elif isinstance(value, property):
            self._all("property", (value.fget, value.fset))
        elif isinstance(value, functools.partial):
            self._all("partial", (value.func, value.args, value.keywords))
        else:
            self._object(value)

    def _all(self, kind: str, values: Any) -> None:
        self.lines.append(kind)
        for value in values:
            self.add(value)

    def _members(self, kind: str, members: Mapping[str, Any]) -> None:
        self.lines.append(kind)
        for name in sorted(members):
            self.lines.append(f"{name}:")
            self.add(members[name])

    def _function(self, function: FunctionType, root: bool) -> None:
        code, library = function.__code__, _in_library(function.__code__.co_filename)
        self.lines.append(_name(function) if library else "function")
        wrapped = getattr(function, "__wrapped__", None)
        if library:
            if wrapped is not None:
                self.add(wrapped, root=root)
            elif root and not _of_torch(function):
                self.lines.append(_source(code))
            return
        self.lines.append(_source(code) or _instructions(code))
        self.add(function.__defaults__)
        self.add(function.__kwdefaults__ or {})
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            self.lines.append(f"{name}:")
            try:
                self.add(cell.cell_contents)
            except ValueError:  # not assigned yet
                self.lines.append("unassigned")
        for name in sorted(_global_names(code)):
            if name in function.__globals__ and not name.startswith("__"):
                self._named(name, function.__globals__[name], code)

    def _named(self, name: str, value: Any, code: CodeType) -> None:
        """Describe a global; of the user's own modules that which ``code`` takes from them."""
        if isinstance(value, ModuleType) and not _in_library(getattr(value, "__file__", None), value):
            for attribute in sorted(set(_names(code)) & vars(value).keys()):
                self.lines.append(f"{name}.{attribute}:")
                self.add(vars(value)[attribute])
        else:
            self.lines.append(f"{name}:")
            self.add(value)

    def _class(self, cls: type, root: bool) -> None:
        module = sys.modules.get(cls.__module__)
        library = _in_library(getattr(module, "__file__", None), module)
        self.lines.append(_name(cls) if library else "class")
        if library and (not root or _of_torch(cls)):
            return
        members = {}
        for name, member in vars(cls).items():
            function = getattr(member, "__func__", member)
            # Of the names of Python's own only methods; @dataclass writes some without a source.
            if not name.startswith("__") or (isinstance(function, FunctionType) and source_of(function)):
                members[name] = member
        if library:
            self.lines.append(source_of(cls))
            return
        self._all("bases", cls.__bases__)
        self._members(
            "members", {name: item for name, item in members.items() if not name.startswith("_abc")}
        )

    def _object(self, value: Any) -> None:
        cls = type(value)
        if isinstance(value, ModuleType):
            self.lines.append(f"module {value.__name__}")
        elif (wrapped := getattr(value, "__wrapped__", None)) is not None and callable(value):
            self._all(_name(cls), [wrapped])
        elif hasattr(value, "tolist") and hasattr(value, "shape"):
            self.lines.append(f"{_name(cls)} {tuple(value.shape)} {getattr(value, 'dtype', '')}")
            # Weights are random, and trained.
            fixed = not getattr(value, "requires_grad", False) and not getattr(value, "is_meta", False)
            size = getattr(value, "nbytes", _LARGEST_ARRAY + 1)
            if fixed and size <= _LARGEST_ARRAY:
                self.lines.append(repr(value.tolist()))
        elif cls.__name__ in ("builtin_function_or_method", "method_descriptor", "ufunc", "dtype"):
            self.lines.append(_name(value) if hasattr(value, "__name__") else str(value))
        else:
            self.add(cls)
            module = sys.modules.get(cls.__module__)
            if not _in_library(getattr(module, "__file__", None), module):
                self._members("object", getattr(value, "__dict__", {}))


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', None)}.{getattr(value, '__qualname__', type(value).__name__)}"


def _of_torch(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).split(".")[0] == "torch"


def _in_library(file: str | None, module: ModuleType | None = None) -> bool:
    """Return whether a file, or a module without one, is of Python, optnas or an installed package."""
    if file is None:
        return module is None or module.__name__.split(".")[0] in sys.stdlib_module_names
    return file.startswith(("<frozen ", *_LIBRARIES))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _names(code: CodeType) -> Iterator[str]:
    for each in _codes(code):
        yield from each.co_names


def _global_names(code: CodeType) -> set[str]:
    """Return the names of the globals that a function reads, those of functions inside it included."""
    return {
        instruction.argval
        for each in _codes(code)
        for instruction in dis.get_instructions(each)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }


def _instructions(code: CodeType) -> str:
    """Return what stands for a missing source; it differs between versions of Python."""
    constants = [repr(each) for each in code.co_consts if isinstance(each, _PLAIN)]
    own = f"{code.co_code.hex()} {constants} {code.co_names} {code.co_varnames}"
    inner = [_instructions(each) for each in code.co_consts if isinstance(each, CodeType)]
    return "\n".join([own, *inner])


def _source(code: CodeType) -> str:
    """Return a function's source without comments, docstrings and layout; empty if it is not to be found."""
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename))
    found = [
        each for each in _definitions(text).get(code.co_firstlineno, ()) if _defined_as(each) == code.co_name
    ]
    return ast.unparse(found[0]) if len(found) == 1 else ""


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def _defined_as(definition: _Definition) -> str:
    return "<lambda>" if isinstance(definition, ast.Lambda) else definition.name


@functools.lru_cache(maxsize=64)
def _definitions(text: str) -> dict[int, list[_Definition]]:
    """Return the functions that a file defines, by their first lines."""
    found: dict[int, list[_Definition]] = {}
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return found
    for node in ast.walk(tree):
        if isinstance(node, _Definition):
            decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
            first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            found.setdefault(first, []).append(node)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if ast.get_docstring(node, clean=False) is not None and len(node.body) > 1:
                del node.body[0]
            # What @op is told besides the function counts by itself.
            node.decorator_list = [each for each in node.decorator_list if not _is_op(each)]
    return found


def _is_op(decorator: ast.expr) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")) == "op"
