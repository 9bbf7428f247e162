"""Ops made from a class or a function, for the decorator ``op``."""

from __future__ import annotations

import copyreg
import dataclasses
import inspect
import keyword
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from optnas.cost import Cost
from optnas.cost.flop_counter import counted
from optnas.cost.paths import between_all
from optnas.ops.modules import Function
from optnas.own_code import own_code
from optnas.space import Node, Op, Shape, Shapes, Site, SpaceError
from optnas.space.memo import remembered

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FROM_SITE", "Wrapped", "is_called", "materialize", "unpickled"]

# Parameters that are filled from the input shape, mostly under PyTorch's names.
FROM_SITE: dict[str, Callable[[Shape], Any]] = {
    "shape": lambda shape: shape,
    "in_channels": lambda shape: shape[0],
    "num_features": lambda shape: shape[0],
    "num_channels": lambda shape: shape[0],
    "in_features": lambda shape: shape[-1],
    "input_size": lambda shape: shape[-1],
}
_TENSOR_ARGUMENTS = ("x", "input")
_HOLES = ("choose", "integer", "ops", "real", "repeat", "shared", "stage")


class Wrapped(Op):
    """An op made from a class or a function."""

    _fills = frozenset(FROM_SITE)

    def __init__(
        self,
        wrapped: Callable[..., Any],
        name: str,
        cost: Callable[..., Cost] | None,
        simplify: Callable[[Node], Node | None] | None,
        module: str,
    ) -> None:
        if not name.isidentifier() or keyword.iskeyword(name) or name in _HOLES:
            raise SpaceError(
                f"op name {name!r}: use letters, digits and underscores, no word of Python's or of the"
                " holes, or give op(name=…)"
            )
        try:
            signature = inspect.signature(wrapped)
        except ValueError:  # built-in functions such as torch.sin have none
            signature = inspect.Signature([_positional("input")])
        parameters = list(signature.parameters.values())
        first = parameters[0].name if parameters else None
        self._title = name
        self._on_tensor = not inspect.isclass(wrapped) and first in _TENSOR_ARGUMENTS
        parameters = self._own_parameters(parameters)
        self._filled = [p.name for p in parameters if p.name in self._fills]
        self._composite = signature.return_annotation in (Node, "Node")
        children = next((p for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        self._builds_children = children is not None and not is_called(children.annotation, "Node")
        self.takes_several = (self._composite or self._builds_children) and not self._filled
        self._wrapped = wrapped
        self._cost = cost
        self._simplify = simplify
        arguments = [p for p in parameters if p.name not in self._filled]
        super().__init__(name, inspect.Signature(arguments), inspect.getdoc(wrapped))
        self.defined_in = module
        if inspect.isclass(wrapped) and _found(wrapped) is not wrapped:
            # By its name a pickle would find the op: it is to find the class by the op.
            copyreg.pickle(wrapped, self._reduced)

    def _own_parameters(self, parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
        """Return the parameters of the class or function, without those for tensors."""
        return parameters[1:] if self._on_tensor else parameters

    @property
    def definition(self) -> tuple[Any, ...]:
        return (self._wrapped,)

    @property
    def declared(self) -> tuple[Any, ...]:
        return (self._cost, self._simplify)

    @property
    def function(self) -> Callable[..., Any]:
        return self._wrapped

    def simplify(self, node: Node) -> Node | None:
        if self._simplify is not None:
            return self._simplify(node)
        if self._composite and not self._filled:
            # build and cost raise the error, with the node in the message.
            try:
                return _expanded(self, node, ())
            except (TypeError, ValueError):
                return node
        return node

    def stands_for(self, node: Node, site: Site | None = None) -> Node | None:
        if not self._composite or (site is None and self._filled):
            return None
        return _expanded(self, node, ()) if site is None else self._tree_at(node, site)

    def cost(self, node: Node, site: Site) -> Cost:
        if self._composite and self._cost is None:
            return site.cost(self._tree_at(node, site))  # type: ignore[no-any-return]
        cost = self._own_cost(node, site)
        if cost.paths is not None or not isinstance(site.shape, Shapes):
            return cost
        return dataclasses.replace(cost, paths=between_all(site.shape, cost.shape, cost.depth))

    def _own_cost(self, node: Node, site: Site) -> Cost:
        with own_code():
            if self._cost is not None:
                return self._cost(shape=site.shape, **self._arguments(node, site, built=False))
            import torch

            with torch.device("meta"):
                return counted(self._make(node, site), site.shape, called=self.name)

    def build(self, node: Node, site: Site) -> nn.Module:
        if self._cost is not None:
            site.cost(node)  # checks the arguments: some modules accept arguments with which they cannot run
        if self._composite:
            return site.build(self._tree_at(node, site))  # type: ignore[no-any-return]
        return self._make(node, site)  # type: ignore[no-any-return]

    def _reduced(self, instance: Any) -> tuple[Any, ...]:
        """Return what a pickle holds of an instance of the class."""
        cls: Any = type(instance)
        if _found(cls) is cls or cls.__reduce__ is not object.__reduce__:
            return instance.__reduce_ex__(2)  # type: ignore[no-any-return]
        return (unpickled, (self,), instance.__getstate__())

    def _make(self, node: Node, site: Site) -> Any:
        arguments = {**dict(self._from_site(site)), **self._arguments(node, site, built=True)}
        if self._on_tensor:
            return Function(self._wrapped, arguments, self)
        children = node.children
        if self._builds_children:
            children = tuple(map(site.build, children))
        made = self._called(node, arguments, children)
        materialize(made, [site.shape])
        return made

    def _from_site(self, site: Site) -> tuple[tuple[str, Any], ...]:
        return tuple((name, FROM_SITE[name](site.shape)) for name in self._filled)

    def _tree_at(self, node: Node, site: Site) -> Node:
        """Return the tree that a composite op stands for at ``site``."""
        given = self._from_site(site)
        if any(value is None for _, value in node.args):
            context = dict(site.context)
            given += tuple((name, context.get(name)) for name, value in node.args if value is None)
        return _expanded(self, node, given)

    def expanded(self, node: Node, given: tuple[tuple[str, Any], ...] = ()) -> Node:
        """Return the tree that a composite op stands for, with ``given`` from the shape and the context."""
        made = self._called(node, {**node.arguments, **dict(given)}, node.children)
        if not isinstance(made, Node):
            raise TypeError(f"{self.name} is annotated '-> Node' but returned {made!r}")
        return made

    def _called(self, node: Node, arguments: dict[str, Any], children: tuple[Any, ...]) -> Any:
        if not children:
            return self._wrapped(**arguments)
        bound = inspect.signature(self._wrapped).bind_partial(**arguments)
        name = next(p.name for p in self._parameters.values() if p.kind is p.VAR_POSITIONAL)
        bound.arguments[name] = children
        return self._wrapped(*bound.args, **bound.kwargs)

    def _arguments(self, node: Node, site: Site, *, built: bool) -> dict[str, Any]:
        """Return the node's arguments, ``None`` filled from the context, trees as modules if ``built``."""
        context = dict(site.context)
        arguments = {}
        for name, value in node.args:
            if value is None:
                value = context.get(name)
            elif built and isinstance(value, Node):
                value = site.build(value)
            arguments[name] = value
        return arguments


def _found(cls: type) -> Any:
    """Return what has the name of ``cls`` in its module."""
    found: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found


def unpickled(op: Wrapped) -> Any:
    cls: Any = op.function
    return cls.__new__(cls)


def materialize(module: Any, shapes: list[Any]) -> None:
    """Give lazy layers, such as ``nn.LazyConv2d``, their weights for inputs of ``shapes``."""
    import torch
    from torch.nn.parameter import is_lazy

    tensors = [*module.parameters(), *module.buffers()] if isinstance(module, torch.nn.Module) else []
    if any(map(is_lazy, tensors)):
        training = {part: part.training for part in module.modules()}
        with torch.no_grad():
            module.eval()(*(_zeros(shape, tensors[0].device) for shape in shapes))
        for part, before in training.items():
            part.training = before


def _zeros(shape: Any, device: Any) -> Any:
    import torch

    if isinstance(shape, Shapes):
        return {name: _zeros(each, device) for name, each in shape.items()}
    return torch.zeros((1, *shape), device=device)


def is_called(annotation: Any, name: str) -> bool:
    """Return whether a parameter's annotation is the class of that name, also where it is a text."""
    if isinstance(annotation, str):
        return annotation.rpartition(".")[2] == name
    return getattr(annotation, "__name__", None) == name


# Expansions depend on few values of the site, so most are cached from other architectures.
@remembered(2**14)
def _expanded(composite: Wrapped, node: Node, given: tuple[tuple[str, Any], ...]) -> Node:
    return composite.expanded(node, given)


def _positional(name: str) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY)
