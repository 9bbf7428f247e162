"""A file of Python that is read as if someone had written it."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterable, Iterator, Sequence

from optnas.export.python import helpers, sequence_helpers
from optnas.export.python.code import REQUIRED, Block, Call, Code, parts
from optnas.export.python.factor import Definition, Parameter
from optnas.export.python.layout import WIDTH, assignment, expression, literal, returned
from optnas.export.python.meanings import Meanings
from optnas.export.python.own import OwnCode
from optnas.shown import plain
from optnas.space import ops_by_name

__all__ = ["helper_names", "written"]

_HELPERS = (helpers, sequence_helpers)
_LARGEST = "LARGEST ="
_TEXTS = re.compile(r"""(?s)\"{3}.*?\"{3}|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\"""")


@functools.cache
def helper_names() -> tuple[str, ...]:
    """Return the names of all helpers."""
    return tuple(
        name
        for module in _HELPERS
        for name, value in vars(module).items()
        if name == "LARGEST" or getattr(value, "__module__", "") == module.__name__
    )


def written(
    root: Block, definitions: Sequence[Definition], doc: str, own: OwnCode, meanings: Meanings, end: str
) -> str:
    """Return the file of a network.

    Args:
        root: The network's class.
        definitions: What it consists of, in the order of use.
        doc: The file's docstring.
        own: The source of the user's own ops.
        meanings: What it says of inputs and outputs.
        end: Source that stands last.
    """
    defined = [_definition(each) for each in definitions]
    body = [*own.sources.values(), *defined, _class(Definition(root.name, (), root))]
    body += [*meanings.functions, end]
    helped = _helpers("\n".join(body))
    constants = [*own.constants.values(), *(each for each in helped if each.startswith(_LARGEST))]
    constants += meanings.constants
    body = [*(each for each in helped if not each.startswith(_LARGEST)), *body]
    text = "\n\n\n".join(part.strip("\n") for part in body)
    header = _imports("\n".join([*constants, text]), own.imports, annotations=bool(own.sources))
    header += "".join(["\n\n" * bool(constants), "\n".join(constants)])
    return f'"""{_quoted(doc)}"""\n\n{header}\n\n\n{text}\n'


def _quoted(doc: str) -> str:
    """Return a text that ends no docstring, nor a file: it may hold names that strangers gave."""
    doc = plain(doc, lines=True).replace("\\", "\\\\").replace('"""', "'''")
    return f"{doc[:-1]}'" if doc.endswith('"') else doc


def _helpers(text: str) -> list[str]:
    """Return the sources of the helpers that a text uses, and of those that they use."""
    used: dict[str, str] = {}
    pending = text
    while pending:
        found = [
            name for name in helper_names() if name not in used and re.search(rf"\b{name}\b", _code(pending))
        ]
        used |= {name: _helper(name) for name in found}
        pending = "\n".join(used[name] for name in found)
    return [used[name] for name in helper_names() if name in used]


def _helper(name: str) -> str:
    value = next(vars(module)[name] for module in _HELPERS if name in vars(module))
    return f"{_LARGEST} 2.0**15" if name == "LARGEST" else inspect.getsource(value)


def _code(text: str) -> str:
    """Return a source without its docstrings and other texts, in which names of strangers may stand."""
    return _TEXTS.sub('""', text)


def _imports(text: str, more: Iterable[str], *, annotations: bool) -> str:
    text = _code(text)
    first = ["from __future__ import annotations", ""] if annotations else []
    plain = {f"import {name}" for name in ("math", "torch") if re.search(rf"\b{name}\.", text)}
    found = set(more)
    if "Callable[" in text:
        found.add("from collections.abc import Callable")
    if re.search(r"\bPath\b", text):
        found.add("from pathlib import Path")
    found |= {"from safetensors.torch import load_file"} if "load_file(" in text else set()
    names = [name for name in ("Tensor", "nn") if re.search(rf"\b{name}\b", text)]
    found.add(f"from torch import {', '.join(names)}")
    if re.search(r"\bF\.", text):
        found.add("from torch.nn import functional as F")
    return "\n".join([*first, *_sections({*plain, *found})])


def _sections(lines: set[str]) -> Iterator[str]:
    """Yield imports as isort orders them: Python's, then others; modules, then names of them."""
    import sys

    def module(line: str) -> str:
        return line.split()[1]

    whole = {line for line in lines if line.startswith("import ")}
    merged: dict[str, set[str]] = {}
    for line in lines - whole:
        merged.setdefault(module(line), set()).update(line.split(" import ")[1].split(", "))
    split = {f"from {of} import {', '.join(sorted(names))}" for of, names in merged.items()}
    standard = {line for line in whole | split if module(line).split(".")[0] in sys.stdlib_module_names}
    groups = [group for group in (standard, (whole | split) - standard) if group]
    for place, group in enumerate(groups):
        if place:
            yield ""
        yield from sorted(group, key=lambda line: (line.startswith("from"), module(line), line))


def _definition(definition: Definition) -> str:
    if isinstance(definition.body, Block):
        return _class(definition)
    lines = _signature(f"def {definition.name}", definition.parameters, definition.body.function, 0)
    op = ops_by_name().get(definition.origin)
    if op is not None and (doc := (op.__doc__ or "").strip().split("\n")[0]):
        lines.append(f'    """{_quoted(doc)}"""')
    return "\n".join([*lines, *returned(definition.body, 1)])


def _class(definition: Definition) -> str:
    block = definition.body
    assert isinstance(block, Block)
    lines = [f"class {definition.name}(nn.Module):", f'    """{_quoted(block.doc)}"""', ""]
    if block.attributes:
        lines += _signature("def __init__", definition.parameters, "None", 1, of_class=True)
        lines.append("        super().__init__()")
        for name, code in block.attributes:
            lines += _buffer(name, code) if _is_buffer(code) else assignment(f"self.{name}", code, 2)
        lines.append("")
    given = ", ".join(["self", *(f"{name}: {block.kinds[0]}" for name in block.inputs)])
    lines.append(f"    def forward({given}) -> {block.kinds[1]}:")
    return "\n".join([*lines, *(f"        {line}" for line in block.lines)])


def _is_buffer(code: Code) -> bool:
    return isinstance(code, Call) and code.function == "buffer"


def _buffer(name: str, code: Code) -> list[str]:
    (value,) = parts(code)
    return [f'        self.register_buffer("{name}", {expression(value)})']


def _signature(
    before: str, parameters: Sequence[Parameter], result: str, indent: int, *, of_class: bool = False
) -> list[str]:
    space = "    " * indent
    taken = ["self"] if of_class else []
    for each in parameters:
        default = "" if each.default is REQUIRED else f" = {literal(each.default)}"
        taken.append(f"{each.name}: {each.kind}{default}")
    line = f"{space}{before}({', '.join(taken)}) -> {result}:"
    if len(line) <= WIDTH:
        return [line]
    inner = f"{space}    {', '.join(taken)}"
    if len(inner) <= WIDTH:
        return [f"{space}{before}(", inner, f"{space}) -> {result}:"]
    return [f"{space}{before}(", *(f"{space}    {each}," for each in taken), f"{space}) -> {result}:"]
