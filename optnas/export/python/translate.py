"""Modules of a network as the code that makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from optnas.export.python.calls import (
    applying,
    call,
    chain,
    constant,
    first_line,
    function_layer,
    items,
    unless,
    value_code,
)
from optnas.export.python.code import KEYWORD, Argument, Block, Call, CannotExport, Code, Text
from optnas.export.python.formulas import LEARNED, function_of, merge_of
from optnas.export.python.origins import Origin, Origins
from optnas.export.python.own import OwnCode
from optnas.export.python.torch_layers import is_torchs, torch_call
from optnas.ops import modules as m
from optnas.ops import sequence_modules as s
from optnas.ops.activations import _FeaturePReLU
from optnas.ops.expressions import Expression
from optnas.ops.graphs import GraphConvolution
from optnas.ops.merges import Merge
from optnas.ops.own_merge import OwnMerge
from optnas.ops.pointwise import Function as Formula
from optnas.ops.swish_mish import FixedSwish, Mish
from optnas.ops.wrapped import FROM_SITE, Wrapped
from optnas.space import Node, Site, ops_by_name

__all__ = ["Translator"]

# Ops that stand for others without being a block that readers know.
_NO_FUNCTIONS = {
    "seq",
    "skip",
    "sepconv",
    "factorized_reduce",
    "head",
    "nasbench201_network",
    "darts_network",
}


class Translator:
    """Writes modules of one tensor as code.

    Args:
        origins: What the modules were built for.
        own: Collects the source of the user's own ops.
        branching: Writes what has branches.
    """

    def __init__(self, origins: Origins, own: OwnCode, branching: Callable[[nn.Module], Code | None]) -> None:
        self._origins = origins
        self._own = own
        self._branching = branching

    def code(self, module: nn.Module) -> Code:
        """Return the code that makes a module.

        Raises:
            CannotExport: If there is none; says why in one line.
        """
        origin = self._block_of(module)
        if origin is not None and origin.node.op.name == "inverted_residual":
            made = self._inverted_residual(origin, module)
            if made is not None:
                return made
        if origin is not None and origin.node.op.name == "squeeze_excite":
            made = self._squeeze_excite(origin, module)
            if made is not None:
                return made
        name = "" if origin is None else origin.node.op.name
        code = self._plain(module, name)
        if code is None:
            code = self._branching(module)
        if code is None:
            raise CannotExport(f"{self._called(module)} has no plain source")
        return code

    def _block_of(self, module: nn.Module) -> Origin | None:
        """Return what stands for a block that readers know, outermost first."""
        for origin in self._origins.of(module):
            op, site = origin.node.op, _site(origin, self._origins.context)
            if op.name not in _NO_FUNCTIONS and op.stands_for(origin.node, site) is not None:
                return origin
        return None

    def _called(self, module: nn.Module) -> str:
        found = self._origins.of(module)
        return f"the op {found[-1].node.op.name}" if found else f"a {type(module).__name__}"

    def _plain(self, module: nn.Module, origin: str) -> Code | None:
        match module:
            case nn.Sequential() if type(module) is nn.Sequential:
                return chain([self.code(each) for each in module], origin)
            case m.Residual():
                if module.shortcut is None:
                    return call("Residual", *items(self.code(module.body)), origin=origin)
                return call("Projected", self.code(module.body), self.code(module.shortcut), origin=origin)
            case m.Gated():
                return call("Gate", *items(self.code(module.gate)), origin=origin)
            case m.Positionwise():
                return call("AtPositions", self.code(module.module))
            case m.ChannelsFirst():
                return call("ChannelsFirst", self.code(module.module))
            case _ if self._is_own(module):
                return self._own_code(module)
            case Mish():
                return Call("nn.Mish")
            case m.Applied() | FixedSwish() | Expression():
                return self._formula(module)
            case _ if is_torchs(module):
                return torch_call(module)
        return self._layer(module)

    def _layer(self, module: nn.Module) -> Code | None:
        """Return the call of a class of ``helpers``."""
        match module:
            case m.DropPath():
                return call("DropPath", rate=round(module.rate, 4))
            case m.Zeros():
                return call("Zeros", stride=(module.stride, 1))
            case m.FactorizedReduce():
                width = module.even.out_channels + module.odd.out_channels
                return call("FactorizedReduce", channels=module.even.in_channels, width=width)
            case m.MeanPosition():
                return Call("MeanPosition")
            case m.Function() if not module.arguments:
                return function_layer(module)
            case s.States():
                return call("States", torch_call(module.recurrent))
            case s.Sequence1d():
                return self._conv1d(module)
            case s.SelfAttention():
                return call(
                    "SelfAttention",
                    features=module.out.in_features,
                    heads=module.heads,
                    causal=(module.causal, False),
                    dropout=(round(module.dropout, 4), 0.0),
                    bias=(module.out.bias is not None, True),
                )
            case s.LearnedPositions():
                length, features = module.vectors.shape
                return call("LearnedPositions", length=length, features=features)
            case s.Sinusoids():
                length, features = module.waves.shape
                return call("Sinusoids", length=length, features=features)
            case s.Patches():
                of = module.projection
                return call("Patches", channels=of.in_channels, width=of.out_channels, size=of.kernel_size[0])
            case s.ClassToken():
                return call("ClassToken", features=module.token.shape[-1])
            case _FeaturePReLU():
                return call("FeaturePReLU", num_parameters=module.num_parameters)
            case GraphConvolution():
                return self._graph(module)
        return None

    def _conv1d(self, module: s.Sequence1d) -> Code:
        of, (before, after) = module.convolution, module.padding
        return call(
            "PaddedConv1d",
            in_channels=of.in_channels,
            out_channels=of.out_channels,
            kernel_size=of.kernel_size[0],
            before=(before, KEYWORD),
            after=(after, KEYWORD),
            stride=(of.stride[0], 1),
            dilation=(of.dilation[0], 1),
            groups=(of.groups, 1),
            bias=(of.bias is not None, True),
        )

    def _formula(self, module: nn.Module) -> Block:
        if isinstance(module, FixedSwish):
            return self._function("swish", "_swish", {"beta": module.beta}, learned=False)
        if isinstance(module, Expression):
            return self._expression(module)
        assert isinstance(module, m.Applied)
        learned = {name: float(value.detach()) for name, value in module.learned.items()}
        name = module.op.name if module.op is not None else ""
        return self._function(name, module.function.__name__, learned or module.constants, bool(learned))

    def _function(self, name: str, called: str, constants: dict[str, float], learned: bool) -> Block:
        """Return the class of an activation with constants of its own."""
        by_name = {each: f"self.{each}" for each in constants}
        if called in LEARNED:
            name, lines = LEARNED[called]
            lines = tuple(line.format(**by_name) for line in lines)
        else:
            lines = (f"return {function_of(name, 'x', **by_name)}",)
        attributes = tuple((each, constant(value, learned)) for each, value in constants.items())
        return Block(name, first_line(ops_by_name()[name].__doc__), attributes, ("x",), lines)

    def _expression(self, module: Expression) -> Block:
        """Return the class of an activation that is composed of functions, each step a line."""
        attributes: list[tuple[str, Code]] = []
        lines = ["x = bounded(given.float())"]
        found: list[str] = []
        for step, operands in zip(module.steps, module.operands, strict=True):
            of = [found[place] for place in operands]
            if isinstance(step, m.Applied) and isinstance(step.op, Formula):
                if step.op.name == "x":
                    found.append("x")
                    continue
                learned = {name: float(value.detach()) for name, value in step.learned.items()}
                by_name = {}
                for name, value in (learned or step.constants).items():
                    by_name[name] = f"self.{name}{len(attributes) or ''}"
                    attributes.append((by_name[name][5:], constant(value, bool(learned))))
                text = (
                    merge_of(step.op.name, of, 1, **by_name)
                    if isinstance(step.op, Merge)
                    else function_of(step.op.name, *(of or ["x"]), **by_name)
                )
            else:
                attributes.append((f"function{len(attributes) or ''}", self.code(step)))
                text = f"self.{attributes[-1][0]}(x)"
            found.append(f"y{len(lines)}")
            lines.append(f"{found[-1]} = bounded({text})")
        lines.append(f"return {found[-1]}.to(given.dtype)")
        return Block("activation", module.text, tuple(attributes), ("given",), tuple(lines))

    def _graph(self, module: GraphConvolution) -> Code:
        node = self._origins.innermost(module).node
        nodes = module.adjacency.shape[0]
        edges = Text(f"[{', '.join(f'({one}, {other})' for one, other in node.arguments['edges'])}]")
        linear = module.linear
        return call(
            "GraphConvolution",
            nodes=nodes,
            features=linear.in_features,
            width=linear.out_features,
            edges=edges,
            bias=(linear.bias is not None, True),
        )

    def _is_own(self, module: nn.Module) -> bool:
        origins = self._origins.of(module)
        op = origins[-1].node.op if origins else None
        return isinstance(op, Wrapped) and not op.builtin and not isinstance(op, OwnMerge)

    def _own_code(self, module: nn.Module) -> Code:
        """Return the call of the user's own class or function, whose source is written too."""
        if is_torchs(module) and not isinstance(module, nn.Sequential):
            return torch_call(module)
        origin = self._origins.innermost(module)
        op, node, site = origin.node.op, origin.node, _site(origin, self._origins.context)
        assert isinstance(op, Wrapped)
        built = iter(origin.built)
        given: dict[str, Code] = {name: value_code(value, op.name) for name, value in op._from_site(site)}
        for name, value in op._arguments(node, site, built=False).items():
            given[name] = self.code(next(built)[1]) if isinstance(value, Node) else value_code(value, op.name)
        children = [self.code(each) for _, each in built]
        name = self._own.name_of(op)
        if isinstance(module, m.Function):  # a function of the tensor, not of what makes a module
            return applying(op, name, given)
        by_name = [Argument(each, code, KEYWORD) for each, code in given.items()]
        return Call(name, (*(Argument("", code) for code in children), *by_name))

    def own_merge(self, origin: Origin) -> Code:
        """Return the call of the user's own class of several tensors."""
        op, node, site = origin.node.op, origin.node, _site(origin, self._origins.context)
        assert isinstance(op, OwnMerge)
        shapes = [site.cost(branch).shape for branch in node.children]
        given: dict[str, Code] = {}
        for name in op._filled:
            value = tuple(shapes) if name == "shapes" else FROM_SITE[name](shapes[0])
            given[name] = value_code(value, op.name)
        built = iter(origin.built[len(node.children) :])
        for name, value in op._arguments(node, site.at(shapes[0]), built=False).items():
            code = self.code(next(built)[1]) if isinstance(value, Node) else value_code(value, op.name)
            given[name] = code
        by_name = (Argument(each, code, KEYWORD) for each, code in given.items())
        return Call(self._own.name_of(op), tuple(by_name))

    def _inverted_residual(self, origin: Origin, module: nn.Module) -> Code | None:
        """Return the call of ``helpers.InvertedResidual``, unless its activations have constants."""
        given, channels = origin.node.arguments, origin.shape[0]
        if len(origin.shape) != 3 or not isinstance(given["kernel"], int):
            return None
        inner: list[Any] = list(module.body if isinstance(module, m.Residual) else module)  # type: ignore[call-overload]
        gated = [layer for layer in inner if isinstance(layer, m.Gated)]
        activation = self._kind_of(inner[2])
        gate = self._kind_of(gated[0].gate[4]) if gated else "nn.Sigmoid"  # type: ignore[index]
        if activation is None or gate is None:
            return None
        last = [layer for layer in inner if isinstance(layer, nn.Conv2d)]
        squeezed = max(1, int(channels * given["squeeze"])) if given["squeeze"] else 0
        return call(
            "InvertedResidual",
            channels=channels,
            width=last[-1].out_channels,
            kernel_size=given["kernel"],
            stride=(given["stride"], 1),
            expansion=(given["expansion"], 1),
            squeezed=(squeezed, 0),
            drop=(round(float(given["drop"]), 4), 0.0) if isinstance(module, m.Residual) else (0.0, 0.0),
            **unless("activation", activation, "nn.ReLU6"),
            **unless("gate", gate, "nn.Sigmoid"),
        )

    def _squeeze_excite(self, origin: Origin, module: nn.Module) -> Code | None:
        """Return the call of ``helpers.SqueezeExcite``, unless its activations have constants."""
        if len(origin.shape) != 3 or not isinstance(module, m.Gated):
            return None
        inner: Any = module.gate
        _, first, activation, _, gate = inner
        kinds = self._kind_of(activation), self._kind_of(gate)
        if None in kinds:
            return None
        return call(
            "SqueezeExcite",
            channels=origin.shape[0],
            squeezed=first.out_channels,
            activation=Text(str(kinds[0])),
            gate=Text(str(kinds[1])),
        )

    def _kind_of(self, module: nn.Module) -> str | None:
        """Return the class of a layer that is made without arguments; ``None`` for any other."""
        code = self._plain(module, "")
        plain = isinstance(code, Call) and all(each.is_default for each in code.arguments)
        return code.function if plain and isinstance(code, Call) and code.function.startswith("nn.") else None


def _site(origin: Origin, context: Any = ()) -> Site:
    return Site(origin.shape, context)
