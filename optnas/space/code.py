"""Reading of code objects and their files: source, names, imports, and whether a file is a library's."""

from __future__ import annotations

import ast
import dis
import functools
import importlib.util
import linecache
import os
import re
import site
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

__all__ = ["PLAIN", "file_text", "global_names", "imported_modules", "in_library", "instructions"]
__all__ += ["module_texts", "names", "text"]

PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))

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
# Functions that find by a text what other code names.
_BY_TEXT = {"getattr", "attrgetter", "methodcaller", "globals", "vars", "eval", "exec", "__dict__"}
_MODULES_BY_TEXT = {"import_module", "__import__"}


def in_library(file: str | None, module: ModuleType | None = None) -> bool:
    """Return whether a file, or a module without one, is of Python, optnas or an installed package."""
    if file is None:
        return module is None or module.__name__.split(".")[0] in sys.stdlib_module_names
    return file.startswith(("<frozen ", *_LIBRARIES))


def names(code: CodeType) -> set[str]:
    """Return the names of globals and attributes in a function, and in the functions inside it."""
    found = {name for each in _codes(code) for name in each.co_names}
    if found & _BY_TEXT:
        found |= {name for each in _texts(code) for name in re.findall(r"[^\W\d]\w*", each)}
    return found


def global_names(code: CodeType) -> set[str]:
    """Return the names of the globals that a function reads, those of functions inside it included."""
    found = {
        instruction.argval
        for each in _codes(code)
        for instruction in dis.get_instructions(each)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    return found | names(code) if found & {"globals", "eval", "exec"} else found


def imported_modules(code: CodeType, namespace: Mapping[str, Any]) -> list[str]:
    """Return the modules that a function with these globals imports in its body."""
    found: set[str] = set()
    for each in _codes(code):
        instructions = [one for one in dis.get_instructions(each) if one.opname != "EXTENDED_ARG"]
        for level, members, one in zip(instructions, instructions[1:], instructions[2:], strict=False):
            if one.opname == "IMPORT_NAME":
                found |= _imported(one.argval, level.argval, members.argval or (), _package(namespace))
    named = names(code)
    if named & _MODULES_BY_TEXT or {"sys", "modules"} <= named:
        found |= {each for each in _texts(code) if all(part.isidentifier() for part in each.split("."))}
    return sorted(found)


def module_texts(modules: list[str]) -> dict[str, str]:
    """Return the text of modules of the user's own, and of those that they import, by name.

    Nothing is executed, and whether a module is loaded already makes no difference.
    """
    found: dict[str, str] = {}
    pending = list(modules)
    while pending:
        name = pending.pop()
        file = _file(name)
        if name in found or file is None:
            continue
        found[name], imports = _file_contents("".join(linecache.getlines(file)))
        package = name if Path(file).stem == "__init__" else name.rpartition(".")[0]
        for each in imports:
            pending += _imported(*each, package)
    return found


def file_text(file: str) -> str:
    """Return a file's source without comments, docstrings and layout; empty if it cannot be read."""
    linecache.checkcache(file)
    return _file_contents("".join(linecache.getlines(file)))[0]


def text(code: CodeType) -> str:
    """Return a function's source without comments, docstrings and layout; empty if it is not to be found."""
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename))
    found = [
        each for each in _definitions(text).get(code.co_firstlineno, ()) if _defined_as(each) == code.co_name
    ]
    return ast.unparse(found[0]) if len(found) == 1 else ""


def instructions(code: CodeType) -> str:
    """Return what stands for a missing source; it differs between versions of Python."""
    constants = [repr(each) for each in code.co_consts if isinstance(each, PLAIN)]
    own = f"{code.co_code.hex()} {constants} {code.co_names} {code.co_varnames}"
    inner = [instructions(each) for each in code.co_consts if isinstance(each, CodeType)]
    return "\n".join([own, *inner])


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _texts(code: CodeType) -> Iterator[str]:
    for each in _codes(code):
        yield from (constant for constant in each.co_consts if isinstance(constant, str))


def _package(namespace: Mapping[str, Any]) -> str:
    name = str(namespace.get("__name__", ""))
    return str(namespace.get("__package__") or (name if "__path__" in namespace else name.rpartition(".")[0]))


def _imported(name: str, level: int, members: Any, package: str) -> set[str]:
    """Return the modules that an import statement loads or may load, packages around them included."""
    try:
        whole = importlib.util.resolve_name("." * level + name, package) if level else name
    except ImportError:
        return set()
    parts = whole.split(".")
    around = {".".join(parts[: count + 1]) for count in range(len(parts))}
    return around | {f"{whole}.{member}" for member in members if member != "*"}


def _file(name: str) -> str | None:
    """Return the Python file of a module of the user's own; ``None`` for any other name."""
    if name.partition(".")[0] in sys.stdlib_module_names:
        return None
    if name in sys.modules:
        file = getattr(sys.modules[name], "__file__", None)
    else:
        path, file, parts = None, None, name.split(".")
        for count in range(len(parts)):
            spec = _spec(".".join(parts[: count + 1]), path)
            if spec is None or (count + 1 < len(parts) and spec.submodule_search_locations is None):
                return None
            path, file = spec.submodule_search_locations, spec.origin
    return file if file is not None and file.endswith(".py") and not in_library(file) else None


def _spec(name: str, path: Any) -> ModuleSpec | None:
    """Find a module as an import does, but without loading the packages around it."""
    specs = (finder.find_spec(name, path) for finder in sys.meta_path)
    return next((spec for spec in specs if spec is not None), None)


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def _defined_as(definition: _Definition) -> str:
    return "<lambda>" if isinstance(definition, ast.Lambda) else definition.name


@functools.lru_cache(maxsize=64)
def _definitions(text: str) -> dict[int, list[_Definition]]:
    """Return the functions that a file defines, by their first lines."""
    found: dict[int, list[_Definition]] = {}
    tree = _parsed(text)
    for node in ast.walk(tree):
        if isinstance(node, _Definition):
            decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
            first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            found.setdefault(first, []).append(node)
    _strip(tree)
    return found


@functools.lru_cache(maxsize=64)
def _file_contents(text: str) -> tuple[str, list[tuple[str, int, tuple[str, ...]]]]:
    """Return a file's text without comments, docstrings and layout, and what it imports anywhere."""
    tree = _parsed(text)
    imports: list[tuple[str, int, tuple[str, ...]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [(alias.name, 0, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imports.append((node.module or "", node.level, tuple(alias.name for alias in node.names)))
    _strip(tree)
    return ast.unparse(tree), imports


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


def _strip(tree: ast.Module) -> None:
    """Remove docstrings and @op: what that is told besides the function counts by itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if ast.get_docstring(node, clean=False) is not None and len(node.body) > 1:
                del node.body[0]
            if not isinstance(node, ast.Module):
                node.decorator_list = [each for each in node.decorator_list if not _is_op(each)]


def _is_op(decorator: ast.expr) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")) == "op"
