"""Modules with branches, and networks of several tensors, as classes whose forward names its tensors."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Collection, Iterator
from typing import Any

from torch import nn

from optnas.export.python.calls import call, chain, value_code
from optnas.export.python.code import KEYWORD, Block, Call, CannotExport, Code, Leaf, Text, parts
from optnas.export.python.formulas import merge_of
from optnas.export.python.layout import literal
from optnas.export.python.origins import Origins
from optnas.export.python.own import OwnCode
from optnas.export.python.translate import Translator
from optnas.ops import modules as m
from optnas.ops.cell import CellModule
from optnas.ops.decoder import CrossAttention
from optnas.ops.merges import Merge
from optnas.ops.own_merge import OwnMerge
from optnas.ops.pyramid import Joined
from optnas.ops.several import Forked, Input
from optnas.ops.shapes import channel_axis
from optnas.ops.stack import StackModule, reductions

__all__ = ["Flow", "Value", "Writer", "dictionary", "takes_several"]

Value = Any
"""The source of a tensor, which is a name or a short expression; a dictionary of them for several."""

# So long may a line of a forward be, four spaces twice before it.
_LONGEST = 92
_OF_MODULES = frozenset(dir(nn.Module()))
_NO_VARIABLES = ("F", "bounded", "exponential", "math", "nn", "self", "sinc", "torch")


class Writer:
    """Writes the modules of a network as code, those with branches as classes.

    Attributes:
        dead: The modules that no output depends on, which the code does not have.
    """

    def __init__(self, origins: Origins, own: OwnCode) -> None:
        self.origins = origins
        self.own = own
        self.dead: list[nn.Module] = []
        self.translator = Translator(origins, own, self.block)

    def code(self, module: nn.Module) -> Code:
        return self.translator.code(module)

    def block(self, module: nn.Module) -> Code | None:
        """Return a module with branches as a class of its own; ``None`` if it has none."""
        if isinstance(module, StackModule):
            return self._stack(module)
        if not isinstance(module, m.Merged | CellModule) and not takes_several(module):
            return None
        flow = Flow(self, ("x",))
        flow.returns(flow.run(module, "x", inside=True))
        name, doc = self._named(module)
        return flow.block(name, doc)

    def _named(self, module: nn.Module) -> tuple[str, str]:
        if isinstance(module, CellModule):
            return "cell", "Graph of layers."
        if isinstance(module, m.Merged):
            name = self.origins.innermost(module).node.op.name
            if isinstance(module.merging, Joined):
                return "scale", "Image at a scale and at smaller ones, joined."
            return "branches", f"Branches on one input, merged by ``{name}``."
        return "branches", "Layers of several tensors."

    def _stack(self, module: StackModule) -> Code:
        cells: list[Code] = []
        reduced = False
        for reduces, step in zip(reductions(len(module.steps)), module.steps, strict=True):
            older, newer, cell = step.children()
            flow = Flow(self, ("before", "x"))
            adapted = [flow.run(older, "before", "older"), flow.run(newer, "x", "newer")]
            if isinstance(cell, CellModule):
                flow.returns(flow.cell(cell, adapted))
            else:
                raise CannotExport("a stack has another op than cells")
            name, told = ("reduction_cell", " that halves the image") if reduces else ("cell", "")
            if reduced:
                name, told = f"{name}_after_reduction", f"{told}, of which the older is twice as large"
            cells.append(flow.block(name, f"Cell of the outputs of the two cells before it{told}."))
            reduced = reduces
        return call("Stack", *cells)


def takes_several(module: nn.Module) -> bool:
    """Return whether a module takes or makes several tensors by name within it."""
    if isinstance(module, Input | Forked):
        return True
    if isinstance(module, m.Merged):
        return any(map(takes_several, module.branches))
    return type(module) is nn.Sequential and any(map(takes_several, module))


class Flow:
    """Writes the forward of a class: which tensors its modules make of which.

    Args:
        writer: Writes the modules.
        inputs: The arguments of the forward.
    """

    def __init__(self, writer: Writer, inputs: tuple[str, ...]) -> None:
        self._writer = writer
        self._inputs = inputs
        self._names = {*inputs, *_NO_VARIABLES, *dir(builtins)}
        self._modules: dict[str, tuple[nn.Module, ...]] = {}
        self.attributes: list[tuple[str, Code]] = []
        self.lines: list[str] = []

    def block(self, name: str, doc: str, kinds: tuple[str, str] = ("Tensor", "Tensor")) -> Block:
        """Return the class, called ``name``."""
        return Block(name, doc, tuple(self.attributes), self._inputs, tuple(self.lines), kinds)

    def returns(self, value: Value) -> None:
        """Write what the forward returns."""
        text = value if isinstance(value, str) else dictionary(value)
        last = self.lines[-1] if self.lines else ""
        if isinstance(value, str) and last.startswith(f"{value} = "):
            self.lines[-1] = f"return {last.removeprefix(f'{value} = ')}"
        else:
            self.lines.append(f"return {text}")
        self._prune()

    def _prune(self) -> None:
        """Leave out what is computed and not used."""
        for line in self.lines[::-1]:
            name, _, made = line.partition(" = ")
            if not made or any(re.search(rf"\b{name}\b", each) for each in self.lines if each != line):
                continue
            self.lines.remove(line)
            for unused in re.findall(r"self\.(\w+)", made):
                self.attributes = [pair for pair in self.attributes if pair[0] != unused]
                self._writer.dead += self._modules[unused]

    def attribute(self, wanted: str, code: Code, *modules: nn.Module) -> str:
        """Set an attribute that is made of ``modules``, and return its source."""
        name = _free(wanted, {*self._modules, *_OF_MODULES})
        self._modules[name] = modules
        self.attributes.append((name, code))
        return f"self.{name}"

    def variable(self, wanted: str, text: str) -> str:
        """Give a value a name, and return it."""
        name = _free(wanted, self._names)
        self._names.add(name)
        self.lines.append(f"{name} = {text}")
        return name

    def run(self, module: nn.Module, given: Value, wanted: str = "layers", *, inside: bool = False) -> Value:
        """Write what a module makes of a value, and return the source of that.

        Args:
            module: The module.
            given: The source of what it takes.
            wanted: What its attribute is called.
            inside: Whether its branches are written here, and not in a class of its own.
        """
        several = takes_several(module) or not isinstance(given, str)
        if isinstance(module, Input):
            return given[module.name]
        if isinstance(module, Forked):
            given = self._held(given, "x")
            made = {
                name: self._held(self.run(branch, given, name), name)
                for name, branch in zip(module.names, module.branches, strict=True)
            }
            return {**given, **made} if module.keeps else made
        if isinstance(module, m.Merged) and (inside or several):
            return self._merged(module, given)
        if isinstance(module, CellModule) and inside:
            return self.cell(module, [given] * module.inputs)
        if type(module) is nn.Sequential and several:
            return self._sequence(list(module), given, wanted)
        code = self._writer.code(module)
        if isinstance(code, Call) and code.function == "nn.Identity":
            return given
        text = given if isinstance(given, str) else dictionary(given)
        return f"{self.attribute(_called(code, wanted), code, module)}({text})"

    def _sequence(self, modules: list[nn.Module], given: Value, wanted: str) -> Value:
        while modules:
            alone = [] if not isinstance(given, str) else _leading(modules)
            if not alone:
                given = self.run(modules.pop(0), self._held(given, "x"), wanted)
                continue
            del modules[: len(alone)]
            given = self.named(given, "x")
            code = chain([self._writer.code(module) for module in alone])
            if not (isinstance(code, Call) and code.function == "nn.Identity"):
                given = f"{self.attribute(_called(code, wanted), code, *alone)}({given})"
        return given

    def named(self, value: Value, wanted: str) -> Value:
        """Give the result of a merge a name, which reads better than a long expression."""
        merges = isinstance(value, str) and (" " in value or "torch." in value)
        return self._held(value, wanted) if merges else value

    def _held(self, value: Value, wanted: str) -> Value:
        """Give a computed value a name; nothing is computed twice."""
        if not isinstance(value, str) or "(" not in value:
            return value
        return self.variable(wanted if wanted.isidentifier() else "x", value)

    def _merged(self, module: m.Merged, given: Value) -> str:
        given = self._held(given, "x")
        values = [
            self.run(branch, given, _taken(branch) or f"branch{place}")
            for place, branch in enumerate(module.branches, start=1)
        ]
        for value in values:
            if not isinstance(value, str):
                raise CannotExport("a merge of several tensors by name has no plain source")
        shape = self._writer.origins.output(module)
        return self._merging(module.merging, values, 1 + channel_axis(shape), module)

    def _merging(self, merging: nn.Module, values: list[str], axis: int, of: nn.Module) -> str:
        """Return the source of a merge of values."""
        match merging:
            case m.Applied() if isinstance(merging.op, Merge):
                return self._formula(merging, values, axis)
            case CrossAttention():
                made = call(
                    "CrossAttention",
                    features=merging.out.in_features,
                    memory_features=merging.keys_values.in_features,
                    heads=merging.heads,
                    dropout=(merging.dropout, 0.0),
                    bias=(merging.out.bias is not None, True),
                )
                return f"{self.attribute('attention', made, merging)}({', '.join(values)})"
            case Joined():
                given: dict[str, Any] = {"merge": (merging.merge, "concat")}
                given["mode"] = (merging.resized.mode, "nearest")
                if merging.projection is not None:
                    given["projection"] = (self._writer.code(merging.projection), KEYWORD)
                made = call("Joined", **given)
                return f"{self.attribute('joined', made, merging)}({', '.join(values)})"
        return self._own_merge(merging, values, of)

    def _formula(self, merging: m.Applied, values: list[str], axis: int) -> str:
        assert merging.op is not None
        learned = {name: float(value.detach()) for name, value in merging.learned.items()}
        constants = {}
        for name, value in (learned or merging.constants).items():
            code: Code = call("nn.Parameter", call("torch.tensor", Leaf(value))) if learned else Leaf(value)
            constants[name] = self.attribute(name, code, merging)
        if merging.op.name in ("div", "radial", "laplacian"):  # these take an operand twice
            values = [self._held(value, "y") for value in values]
        text = merge_of(merging.op.name, values, axis, **constants)
        if len(text) > _LONGEST - 12:
            values = [self._held(value, "y") for value in values]
            text = merge_of(merging.op.name, values, axis, **constants)
        return text

    def _own_merge(self, merging: nn.Module, values: list[str], of: nn.Module) -> str:
        """Return the call of the user's own merge, a function or a class of several tensors."""
        if isinstance(merging, m.Function) and isinstance(merging.op, OwnMerge):
            name = self._writer.own.name_of(merging.op)
            given = []
            for each, value in merging.arguments.items():
                code = self._writer.code(value) if isinstance(value, nn.Module) else value_code(value, name)
                text = code.text if isinstance(code, Text) else self.attribute(each, code, merging)
                given.append(f"{each}={text}")
            return f"{name}({', '.join([*values, *given])})"
        origin = self._writer.origins.innermost(of)
        if not isinstance(origin.node.op, OwnMerge):
            raise CannotExport(f"a merge by {type(merging).__name__} in a cell has no plain source")
        made = self._writer.translator.own_merge(origin)
        return f"{self.attribute('merge', made, merging)}({', '.join(values)})"

    def cell(self, module: CellModule, given: list[str]) -> str:
        """Write the states of a cell, and return the source of its output."""
        states: list[str] = [self._held(value, f"s{place}") for place, value in enumerate(given)]
        merges = dict(module.merges.items()) if "merges" in module._modules else {}
        live = _live(module)
        found: dict[int, list[str]] = {}
        for state, modules, sources in _nodes(module):
            if state in live:
                found[state] = [
                    self._edge(edge, source, state) for edge, source in zip(modules, sources, strict=True)
                ]
            else:  # what nothing reads has no place in code that people own
                self._writer.dead += [
                    *modules,
                    *([merges[at]] if (at := str(state - module.inputs)) in merges else []),
                ]
        axis = 1 + channel_axis(self._writer.origins.output(module))
        for state, _, _ in _nodes(module):
            if state not in live:
                states.append("")
                continue
            values = [text.format(*states) for text in found[state]]
            merge = merges.get(str(state - module.inputs))
            text = " + ".join(values) if merge is None else self._merging(merge, values, axis, module)
            states.append(self._state(f"s{state}", text, values if merge is None else []))
        if len(module.outputs) == 1:
            return states[module.outputs[0]]
        return merge_of("concat", [states[state] for state in module.outputs], axis)

    def _edge(self, module: nn.Module, source: int, state: int) -> str:
        """Return the source of an edge of a cell, the state that it is applied to in braces."""
        code = self._writer.code(module)
        identity = isinstance(code, Call) and code.function == "nn.Identity"
        at = "{" + str(source) + "}"
        return at if identity else f"{self.attribute(f'edge_{source}_{state}', code, module)}({at})"

    def _state(self, name: str, text: str, terms: list[str]) -> str:
        if text.isidentifier():
            return text
        if len(text) <= _LONGEST - len(name) - 3 or not terms:
            return self.variable(name, text)
        found = self.variable(name, terms[0])
        for term in terms[1:]:
            self.lines.append(f"{found} = {found} + {term}")
        return found


def _nodes(module: CellModule) -> list[tuple[int, list[nn.Module], list[int]]]:
    """Return the number of each state of a cell, with its modules and the states that they are applied to."""
    of: list[Any] = list(module.nodes)
    pairs = zip(of, module.sources, strict=True)
    return [(module.inputs + place, list(edges), sources) for place, (edges, sources) in enumerate(pairs)]


def _live(module: CellModule) -> set[int]:
    """Return the states of a cell that its output depends on."""
    live = set(module.outputs)
    for state, _, sources in reversed(_nodes(module)):
        if state in live:
            live |= set(sources)
    return live


def _free(wanted: str, taken: Collection[str]) -> str:
    """Return a name that is not taken, and no word of Python's."""
    name, number = wanted, 1
    while name in taken or keyword.iskeyword(name):
        number += 1
        name = f"{wanted}{'_' * wanted[-1].isdigit()}{number}"
    return name


def _called(code: Code, wanted: str) -> str:
    """Return the name of an attribute by what its module does, where ``x`` was wanted."""
    if wanted != "x" or not isinstance(code, Call) or code.function == "nn.Sequential":
        return "layers" if wanted == "x" else wanted
    inside = set(_functions(code))
    if code.function == "Residual" and "SelfAttention" in inside:
        return "self_attention"
    if code.function == "Residual" and "nn.Linear" in inside:
        return "feed_forward"
    words = re.findall("[A-Z]+[a-z0-9]*|[a-z0-9]+", code.function.removeprefix("nn."))
    return "_".join(words).lower()


def _functions(code: Code) -> Iterator[str]:
    for part in parts(code):
        if isinstance(part, Call):
            yield part.function
            yield from _functions(part)


def _taken(branch: nn.Module) -> str:
    """Return the name of the input that a branch begins with; empty if there is none or it is no name."""
    parts = list(branch.children()) if isinstance(branch, nn.Sequential) else []
    name = parts[0].name if parts and isinstance(parts[0], Input) else ""
    return name if name.isidentifier() else ""


def _leading(modules: list[nn.Module]) -> list[nn.Module]:
    """Return the first modules of a chain that take and make one tensor."""
    found: list[nn.Module] = []
    for module in modules:
        if takes_several(module):
            break
        found.append(module)
    return found


def dictionary(values: dict[str, Any]) -> str:
    """Return the source of several tensors: by name, or a tuple if their names are places."""
    inner = {name: value if isinstance(value, str) else dictionary(value) for name, value in values.items()}
    if list(inner) == [str(place) for place in range(len(inner))]:
        return f"({', '.join(inner.values())}{',' * (len(inner) == 1)})"
    return f"{{{', '.join(f'{literal(name)}: {value}' for name, value in inner.items())}}}"
