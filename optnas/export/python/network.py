"""A whole trained network as one file: what prepares inputs, its layers, and what scales outputs."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from optnas.answers import Answer, Classes
from optnas.data.schemas import Schema
from optnas.data.schemas.arrays import Standardize
from optnas.data.schemas.several import PrepareEach
from optnas.data.schemas.table_layer import PrepareTable
from optnas.data.schemas.texts import Filled
from optnas.export.python.branching import Flow, Value, Writer, dictionary, takes_several
from optnas.export.python.calls import call, chain
from optnas.export.python.code import KEYWORD, CannotExport, Text
from optnas.export.python.factor import factored
from optnas.export.python.layout import literal
from optnas.export.python.meanings import Meanings, meanings_of
from optnas.export.python.names import Names
from optnas.export.python.origins import Origins
from optnas.export.python.own import OwnCode
from optnas.export.python.weights import Registered
from optnas.export.python.write import helper_names, written
from optnas.winner.outputs import _Scale, _ScaleHeads

__all__ = ["Members", "Source", "source_of"]

_HEADS = {"head", "lm_head"}
# Up to this share of deviations a mean leaves float32 enough digits.
_FAR = 16
_LOAD = '''\
WEIGHTS = Path(__file__).with_suffix(".safetensors")


def load(weights: str | Path = WEIGHTS) -> {name}:
    """Return the trained network, on the CPU and in evaluation mode."""
    model = {name}()
    model.load_state_dict(load_file(weights))
    return model.eval()
'''


@dataclasses.dataclass(frozen=True)
class Members:
    """Networks of one architecture whose mean is computed.

    Attributes:
        count: How many they are.
        classes: Whether the mean is of the probabilities of classes.
    """

    count: int
    classes: bool


@dataclasses.dataclass(frozen=True)
class Source:
    """The code of a network.

    Attributes:
        name: The name of its class.
        text: The file.
        buffers: The values of what prepares inputs and scales outputs, by their names in it.
        before: The weights of the network that the code has, by their names in the network, in its order.
    """

    name: str
    text: str
    buffers: dict[str, Tensor]
    before: list[tuple[str, Tensor]]


def source_of(
    architecture: Any,
    shape: Any,
    context: dict[str, Any],
    preparation: nn.Module,
    scale: nn.Module,
    title: str,
    about: str,
    ensemble: Members | None = None,
    users: tuple[Schema, Answer] | None = None,
) -> Source:
    """Return the code of a network.

    Args:
        architecture: Its architecture.
        shape: The shape of what it takes.
        context: The context of its ops.
        preparation: The layer that prepares inputs.
        scale: The layer that scales outputs.
        title: What it is called.
        about: What the file's docstring says.
        ensemble: The networks of that architecture whose mean it is; ``None`` for one network.
        users: What users have of a sample, and what outputs are read as; ``None`` if that is unknown.

    Raises:
        CannotExport: If a part of it has no plain source; says which and why in one line.
    """
    registered = Registered()
    with registered.noting():
        origins = Origins(architecture, shape, context)
    own = OwnCode()
    writer = Writer(origins, own)
    flow, ends = Flow(writer, ("x",)), _Ends(users is not None and isinstance(users[1], Classes))
    given = ends.prepared(flow, preparation, "x", "")
    if isinstance(shape, tuple):
        given = _held(flow, given)
    elif not isinstance(given, dict):
        given = {name: _taken(given, name) for name in shape}
    if ensemble is None:
        found = _network(flow, writer, origins.network, given)
    else:
        found = _mean(flow, writer, origins.network, given, ensemble)
    flow.returns(ends.scaled(flow, scale, found))
    names = Names([*helper_names(), *own.sources, *own.constants])
    name = names.of_class(title)
    several = "dict[str, Tensor]"
    into = "Tensor" if isinstance(shape, tuple) else _kind_of_several(preparation)
    if isinstance(preparation, PrepareTable):
        into = several
    out = several if isinstance(found, dict) else "Tensor"
    root, definitions = factored(flow.block(name, _CLASS, (into, out)), names)
    meanings = Meanings() if users is None else meanings_of(*users, names)
    text = written(root, definitions, about, own, meanings, _LOAD.format(name=name))
    before = list(registered.state(origins.network, without=writer.dead))
    if ensemble is not None:
        before = [
            (f"members.{member}.{name}", value) for member in range(ensemble.count) for name, value in before
        ]
    return Source(name, text, ends.buffers, before)


_CLASS = "The trained network, from inputs as the data has them to outputs."


def _kind_of_several(preparation: nn.Module) -> str:
    unnamed = isinstance(preparation, PrepareEach) and preparation.names is None
    return "tuple[Tensor, ...]" if unnamed else "dict[str, Tensor]"


def _held(flow: Flow, value: Value) -> Value:
    """Assign a computed input to ``x``."""
    if isinstance(value, str) and value != "x":
        flow.lines.append(f"x = {value}")
        return "x"
    return value


def _network(flow: Flow, writer: Writer, network: nn.Module, given: Value) -> Value:
    """Write the layers of a network, its head apart."""
    parts: list[nn.Module] = [network]
    if isinstance(network, nn.Sequential) and type(network) is nn.Sequential:
        parts = list(network)
    heads = writer.origins.of(parts[-1])
    apart = len(parts) > 1 and bool(heads) and heads[-1].node.op.name in _HEADS
    if not isinstance(given, str) or takes_several(network):
        found = flow.run(nn.Sequential(*parts[:-1]) if apart else network, given, "layers", inside=True)
        if not apart:
            return found
        found = flow.named(found, "x")
        return f"{flow.attribute('head', writer.code(parts[-1]))}({found})"
    body = parts[:-1] if apart else parts
    code = chain([writer.code(part) for part in body])
    found = f"{flow.attribute('layers', code)}({given})"
    return f"{flow.attribute('head', writer.code(parts[-1]))}({found})" if apart else found


def _mean(flow: Flow, writer: Writer, network: nn.Module, given: Value, ensemble: Members) -> str:
    """Write a class that all members of an ensemble are objects of, and the mean of their outputs."""
    inner, kind = Flow(writer, ("x",)), "Tensor"
    taken: Value = "x"
    text = given
    if not isinstance(given, str):
        text = dictionary(given)
        by_place = text.startswith("(")
        kind = "tuple[Tensor, ...]" if by_place else "dict[str, Tensor]"
        taken = {name: inner.variable(_variable(name), _taken("x", name, by_place)) for name in given}
    inner.returns(_network(inner, writer, network, taken))
    member = inner.block("member", "One of the networks whose mean is taken.", (kind, "Tensor"))
    mean = "MeanProbabilities" if ensemble.classes else "MeanOutputs"
    code = call(mean, *[member] * ensemble.count)
    return f"{flow.attribute('members', code)}({text})"


def _taken(given: str, name: str, by_place: bool = False) -> str:
    """Return the source of one of several inputs."""
    return f"{given}[{name if by_place else literal(name)}]"


def _variable(name: str) -> str:
    """Return what the variable of an input is called."""
    return name if name.isidentifier() else f"x{name}" if name.isalnum() else "input"


class _Ends:
    """Writes what prepares inputs and what scales outputs, and keeps the numbers that these have.

    Args:
        classes: Whether outputs are logits of classes, of which the scale is a temperature.
    """

    def __init__(self, classes: bool) -> None:
        self._classes = classes
        self.buffers: dict[str, Tensor] = {}

    def prepared(self, flow: Flow, layer: nn.Module, given: str, of: str) -> Value:
        """Write what prepares an input; ``of`` is its name among several."""
        match layer:
            case nn.Identity():
                return given
            case PrepareEach():
                names = layer.names or [str(place) for place in range(len(layer.layers))]
                return {
                    name: self._one(flow, each, name, layer.names is None)
                    for name, each in zip(names, layer.layers, strict=True)
                }
            case Standardize():
                axes = "" if layer.axes is None else f".permute({', '.join(map(str, layer.axes))})"
                mean, deviation = layer.mean, layer.deviation
                near = bool((mean.abs() <= _FAR * deviation).all())
                dtype = torch.float32 if near else torch.float64
                a = self._buffer(flow, f"{of}mean", mean.to(dtype))
                b = self._buffer(flow, f"{of}deviation", deviation.to(dtype))
                return f"(({given}{axes} - {a}) / {b}).float()"  # NumPy's numbers are float64
            case Filled():  # windows of texts are filled up with -1
                return f"{given}.int().clamp(min=0)"
            case PrepareTable():
                return self._table(flow, layer, given)
        raise CannotExport(f"inputs are prepared by {type(layer).__name__}, which has no plain source")

    def _table(self, flow: Flow, layer: PrepareTable, given: str) -> str:
        sizes = {"gaps": len(layer.marked), "places": len(layer.dated), "categories": len(layer.column)}
        named: dict[str, Any] = {name: (size, KEYWORD) for name, size in sizes.items()}
        attribute = flow.attribute("table", call("Table", numbers=layer.count, **named))
        inside = attribute.removeprefix("self.")
        self.buffers |= {f"{inside}.{name}": value for name, value in layer.state_dict().items()}
        return f"{attribute}({given})"

    def _one(self, flow: Flow, layer: nn.Module, name: str, by_place: bool) -> str:
        called = _variable(name)
        value = self.prepared(flow, layer, _taken("x", name, by_place), f"{called}_")
        return flow.variable(called, value)

    def _buffer(self, flow: Flow, name: str, value: Tensor) -> str:
        double = ", dtype=torch.float64" if value.dtype == torch.float64 else ""
        sizes = ", ".join(map(str, value.shape)) if value.shape else "()"
        text = f"torch.zeros({sizes}{double})"
        attribute = flow.attribute(name, call("buffer", Text(text)))
        self.buffers[attribute.removeprefix("self.")] = value
        return attribute

    def scaled(self, flow: Flow, layer: nn.Module, given: Value) -> Value:
        """Write what converts outputs to the unit of the targets."""
        match layer:
            case nn.Identity():
                return given
            case _Scale() if self._classes and not layer.mean.any():
                if not given.isidentifier():
                    given = flow.variable("y", given)
                return f"{given} / {self._buffer(flow, 'temperature', 1 / layer.deviation)}"
            case _Scale():
                return self._scaled(flow, layer, given, "target")
            case _ScaleHeads():
                found = dict(given)
                for name, each in zip(layer.names, layer.layers, strict=True):
                    assert isinstance(each, _Scale)
                    called = name if name.isidentifier() else "target"
                    found[name] = self._scaled(flow, each, given[name], called)
                return found
        raise CannotExport(f"outputs are scaled by {type(layer).__name__}, which has no plain source")

    def _scaled(self, flow: Flow, layer: _Scale, given: str, called: str) -> str:
        if not given.isidentifier():
            given = flow.variable("y", given)
        deviation = self._buffer(flow, f"{called}_deviation", layer.deviation)
        mean = self._buffer(flow, f"{called}_mean", layer.mean)
        return f"{given} * {deviation} + {mean}"
