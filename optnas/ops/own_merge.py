"""Merges of one's own: classes and functions of several tensors, for the decorator ``op``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn

from optnas.cost import Cost
from optnas.cost.flop_counter import counted
from optnas.ops.merging import Merging
from optnas.ops.modules import Function
from optnas.ops.wrapped import FROM_SITE, Wrapped, is_called, materialize
from optnas.own_code import own_code
from optnas.space import Node, Shape, Site, SpaceError

__all__ = ["OwnMerge", "tensors_of"]

# Names by which *tensors without an annotation are known in a forward.
_TENSORS = ("branches", "tensors")


class Tensors(NamedTuple):
    """The parameters for tensors of a function or of a class's forward.

    Attributes:
        names: Those of one tensor each.
        more: That of any number of tensors; ``""`` if there is none.
    """

    names: tuple[str, ...]
    more: str


def tensors_of(wrapped: Callable[..., Any]) -> Tensors | None:
    """Return the parameters for tensors of what takes several; ``None`` for what takes one."""
    of_class = inspect.isclass(wrapped)
    function = getattr(wrapped, "forward", None) if of_class else wrapped
    if function is None or function is nn.Module.forward:
        return None
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # built-in functions such as torch.sin have none
        return None
    if is_called(signature.return_annotation, "Node") or is_called(signature.return_annotation, "Module"):
        return None
    parameters = list(signature.parameters.values())[1 if of_class else 0 :]
    names = []
    for parameter in parameters:
        untold = of_class and parameter.annotation is parameter.empty
        positional = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        if not positional or parameter.default is not parameter.empty:
            break
        if not untold and not is_called(parameter.annotation, "Tensor"):
            break
        names.append(parameter.name)
    following = parameters[len(names) : len(names) + 1]
    more = following[0].name if following and _is_more(following[0], bool(names), of_class) else ""
    return Tensors(tuple(names), more) if len(names) > 1 or more else None


def _is_more(parameter: inspect.Parameter, after_others: bool, of_class: bool) -> bool:
    """Return whether a parameter takes any number of tensors."""
    if parameter.kind is not parameter.VAR_POSITIONAL:
        return False
    if parameter.annotation is not parameter.empty:
        return is_called(parameter.annotation, "Tensor")
    return not after_others and (not of_class or parameter.name in _TENSORS)


class OwnMerge(Merging, Wrapped):
    """A merge made from a class or a function of several tensors: the outputs of its branches."""

    _fills = frozenset([*FROM_SITE, "shapes"])

    def __init__(self, wrapped: Callable[..., Any], *rest: Any, tensors: Tensors, commutative: bool) -> None:
        self._tensors = tensors
        self._of_class = inspect.isclass(wrapped)
        super().__init__(wrapped, *rest)
        self.takes_several = True
        self.commutative = commutative
        self.fewest = max(len(tensors.names), 1)
        self.most = None if tensors.more else len(tensors.names)

    def _own_parameters(self, parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
        if not self._of_class:
            given = {*self._tensors.names, self._tensors.more}
            parameters = [parameter for parameter in parameters if parameter.name not in given]
        for parameter in parameters:
            if parameter.kind is parameter.VAR_POSITIONAL:
                raise SpaceError(
                    f"op {self._title!r}: its forward takes several tensors, the outputs of its branches;"
                    f" leave out *{parameter.name} of __init__, or write forward(self, x) and call the"
                    " branches, which are modules, in it"
                )
        branches = inspect.Parameter("branches", inspect.Parameter.VAR_POSITIONAL, annotation=Node)
        return [branches, *(_by_name(parameter) for parameter in parameters)]

    def simplify(self, node: Node) -> Node | None:
        return super().simplify(node) if node.children else node

    def merging_cost(self, node: Node, shapes: list[Shape], site: Site) -> Cost:
        self.check_number(len(shapes))
        with own_code():
            return self._merging_cost(node, shapes, site)

    def _merging_cost(self, node: Node, shapes: list[Shape], site: Site) -> Cost:
        if self._cost is None:
            import torch

            with torch.device("meta"):
                module = self.merging_module(node, shapes, site)
                return counted(module, *shapes, called=self.name)
        given = {"shape": shapes[0], "shapes": tuple(shapes)}
        taken = inspect.signature(self._cost).parameters.values()
        names = {parameter.name for parameter in taken}
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken):
            given = {name: value for name, value in given.items() if name in names}
        return self._cost(**given, **self._arguments(node, site.at(shapes[0]), built=False))

    def merging_module(self, node: Node, shapes: list[Shape], site: Site) -> nn.Module:
        filled = {
            name: tuple(shapes) if name == "shapes" else FROM_SITE[name](shapes[0]) for name in self._filled
        }
        arguments = {**filled, **self._arguments(node, site.at(shapes[0]), built=True)}
        if not self._of_class:
            return Function(self._wrapped, arguments, self)
        made: nn.Module = self._wrapped(**arguments)
        materialize(made, list(shapes))
        return made


def _by_name(parameter: inspect.Parameter) -> inspect.Parameter:
    """Return a parameter that is given by name, as all are that stand with branches."""
    if parameter.kind is parameter.VAR_KEYWORD:
        return parameter
    return parameter.replace(kind=parameter.KEYWORD_ONLY)
