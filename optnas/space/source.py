"""Digest of what functions and classes compute: their source, and that of the user's code they depend on.

It is the same in every process, folder and module, and changes neither with comments and layout nor with
line numbers. Python, PyTorch and other installed packages count by the names of what is used of them, and
by the values that their objects hold. Not seen are weights (random, and trained), files that are read, and
what objects of other packages than Python, PyTorch and NumPy hold.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import inspect
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from optnas.space import code as codes
from optnas.space.code import PLAIN, in_library
from optnas.space.held import (
    array_text,
    contents_of,
    functions_by_type,
    functions_in_closure,
    is_module,
    is_value,
    module_state,
    slots,
)
from optnas.space.values import TreeValue

__all__ = ["digest_of", "place_of", "source_of", "users_frames"]


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
        return "\n".join(codes.text(function.__code__) for function in functions)
    return codes.text(value.__code__) if isinstance(value, FunctionType) else ""


def users_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the frames of an error's traceback that are not Python's, optnas's or an installed package's."""
    return [frame for frame in traceback.extract_tb(error.__traceback__) if not in_library(frame.filename)]


def place_of(error: BaseException) -> str:
    """Return where in the user's own code an error arose, as `` (file.py:12)``; or nothing."""
    frames = [frame for frame in users_frames(error) if not frame.filename.startswith("<")]
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""


# What can stand for a special method.
_CALLED = (BuiltinFunctionType, functools.partial, functools.partialmethod)


class _Reader:
    """Collects descriptions of values, each one once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []  # as an id is free again once its object is gone

    def add(self, value: Any, *, root: bool = False) -> None:
        """Describe a value; of what is a library's only the name, but at the ``root`` its source, too."""
        if isinstance(value, PLAIN):
            self.lines.append(repr(value))
            self._subclass(value)
            return
        if id(value) in self._seen:
            self.lines.append(f"#{self._seen[id(value)]}")
            return
        self._seen[id(value)] = len(self._seen)
        self._kept.append(value)
        if isinstance(value, list | tuple):
            self._all(type(value).__name__, value)
            self._subclass(value)
        elif isinstance(value, set | frozenset):
            self.lines += ["set", *sorted(digest_of(item) for item in value)]
            self._subclass(value)
        elif value is os.environ:
            self.lines.append("os.environ")
        elif isinstance(value, Mapping):
            self._members("mapping", {str(key): item for key, item in value.items()})
            self._subclass(value)
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
        elif isinstance(value, functools.cached_property):
            self._all("cached_property", (value.func,))
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

    def _subclass(self, value: Any) -> None:
        """Describe the methods of a number, text or container of a class of the user's own."""
        cls = type(value)
        if cls.__module__ == "builtins":
            return
        if any(map(_has_methods, cls.__mro__)):
            self.add(cls)
            self._members("object", _attributes(value))
        factory = getattr(value, "default_factory", None)  # of a defaultdict
        if factory is not None and not (inspect.isclass(factory) and _is_librarys(factory)):
            self.add(factory)

    def _function(self, function: FunctionType, root: bool) -> None:
        code, library = function.__code__, in_library(function.__code__.co_filename)
        self.lines.append(_name(function) if library else "function")
        wrapped = getattr(function, "__wrapped__", None)
        if library:
            if wrapped is not None:
                self.add(wrapped, root=root)
            elif root and not _of_torch(function):
                self.lines.append(codes.text(code))
            called = functions_by_type(function) if wrapped is not None else functions_in_closure(function)
            if called := [each for each in called if not _is_librarys(each)]:
                self._all("calls", called)
            return
        self.lines.append(codes.text(code) or codes.instructions(code))
        self.add(function.__defaults__)
        self.add(function.__kwdefaults__ or {})
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            try:
                self._named(name, cell.cell_contents, code, set())
            except ValueError:  # not assigned yet
                self.lines += [f"{name}:", "unassigned"]
        for name in sorted(codes.global_names(code)):
            if name in function.__globals__ and not name.startswith("__"):
                self._named(name, function.__globals__[name], code, set())
        imports = codes.imported_modules(code, function.__globals__)
        for name, text in sorted(codes.module_texts(imports).items()):
            self.lines += [f"import {name}", text]

    def _named(self, name: str, value: Any, code: CodeType, passed: set[int]) -> None:
        """Describe a variable; of the user's own modules and functions what ``code`` takes from them."""
        if isinstance(value, ModuleType) and not _is_librarys(value):
            if id(value) in passed:
                return
            passed.add(id(value))
            taken = sorted(codes.names(code) & vars(value).keys())
            for attribute in taken:
                self._named(f"{name}.{attribute}", vars(value)[attribute], code, passed)
            if not taken:
                self.lines.append(f"{name}:")
                self.add(value)
            return
        self.lines.append(f"{name}:")
        self.add(value)
        if isinstance(value, FunctionType):
            for attribute in sorted(codes.names(code) & vars(value).keys()):
                self.lines.append(f"{name}.{attribute}:")
                self.add(vars(value)[attribute])

    def _class(self, cls: type, root: bool) -> None:
        library = _is_librarys(cls)
        self.lines.append(_name(cls) if library else "class")
        if library and (not root or _of_torch(cls)):
            return
        members = {}
        for name, member in vars(cls).items():
            function = getattr(member, "__func__", member)
            # Of the names of Python's own only methods; @dataclass writes some without a source.
            method = isinstance(function, FunctionType) and source_of(function)
            if not name.startswith("__") or method or isinstance(function, _CALLED):
                members[name] = member
        if library:
            self.lines.append(source_of(cls))
            return
        self._all("bases", cls.__bases__)
        if not _is_librarys(type(cls)):
            self._all("metaclass", (type(cls),))
        self._members(
            "members", {name: item for name, item in members.items() if not name.startswith("_abc")}
        )

    def _object(self, value: Any) -> None:
        cls = type(value)
        if isinstance(value, ModuleType):
            file = None if _is_librarys(value) else value.__file__
            self.lines += [f"module {value.__name__}", *([codes.file_text(file)] if file else [])]
        elif (wrapped := getattr(value, "__wrapped__", None)) is not None and callable(value):
            self._all(_name(cls), [wrapped])
        elif hasattr(value, "tolist") and hasattr(value, "shape"):
            self.lines.append(f"{_name(cls)} {tuple(value.shape)} {getattr(value, 'dtype', '')}")
            self.lines += array_text(value)
        elif cls.__name__ in ("builtin_function_or_method", "method_descriptor", "ufunc", "dtype"):
            self.lines.append(_name(value) if hasattr(value, "__name__") else str(value))
            if not inspect.isclass(bound := getattr(value, "__self__", None)) and is_value(bound):
                self.add(bound)
        else:
            self.add(cls)
            if not _is_librarys(cls):
                self._members("object", _attributes(value))
            elif is_module(value):
                self._members("module", module_state(value))
            elif isinstance(value, enum.Enum):
                self.lines.append(value.name)
            if contents := contents_of(value):
                self._all("contents", contents)


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', None)}.{getattr(value, '__qualname__', type(value).__name__)}"


def _is_librarys(value: Any) -> bool:
    """Return whether a module, class or function is Python's, optnas's or an installed package's."""
    if isinstance(value, FunctionType):
        return in_library(value.__code__.co_filename)
    module = value if isinstance(value, ModuleType) else sys.modules.get(str(value.__module__))
    return in_library(getattr(module, "__file__", None), module)


def _attributes(value: Any) -> dict[str, Any]:
    return {**slots(value), **getattr(value, "__dict__", {})}


def _has_methods(cls: type) -> bool:
    """Return whether a class defines functions of the user's own."""
    return any(
        isinstance(function := getattr(member, "__func__", member), FunctionType)
        and not _is_librarys(function)
        and source_of(function)
        for member in vars(cls).values()
    )


def _of_torch(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).split(".")[0] == "torch"
