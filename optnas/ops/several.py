"""Ops on several tensors by name: inputs of a network, what a decoder reads of an encoder, outputs of heads.

``input`` takes one of the tensors that come in, ``fork`` makes several of what comes in, and ``update``
replaces some: ``seq(fork(memory=encoder, x=input('target')), update(x=cross(input('x'), input('memory'))))``.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from optnas.cost import Cost
from optnas.cost.paths import kept, longest, places
from optnas.ops.define import op
from optnas.space import Node, Op, Shapes, Site, register

__all__ = ["fork", "input", "update"]

Several = Mapping[str, Any] | tuple[Any, ...]


class Input(nn.Module):
    """Module that takes one of several tensors."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Several) -> Any:
        return x[self.name] if isinstance(x, Mapping) else x[int(self.name)]

    def extra_repr(self) -> str:
        return repr(self.name)


def _input_cost(shape: Any, name: str | int) -> Cost:
    if not isinstance(shape, Shapes):
        raise ValueError(
            f"one tensor comes in, of shape {shape}: input({name!r}) takes one of several by name"
        )
    if str(name) not in shape:
        raise ValueError(f"there is no {name!r} among what comes in: {', '.join(shape)}")
    taken = shape[str(name)]
    return Cost(taken, paths={place: {(str(name), *place): 0} for place in places(taken)})


@op(cost=_input_cost)
def input(name: str | int) -> nn.Module:  # noqa: A001 - what comes in has no better name
    """Take one of several tensors: a network's input of that name, or a branch of ``fork``.

    Args:
        name: Its name; in a tuple its place, from 0 on.
    """
    return Input(str(name))


input.takes_several = True


class Forked(nn.Module):
    """Module that applies several modules to one input and returns their outputs by name.

    Args:
        branches: The modules.
        keeps: Whether what else comes in by name goes out as well.
    """

    def __init__(self, branches: Mapping[str, nn.Module], *, keeps: bool = False) -> None:
        super().__init__()
        self.names = tuple(branches)
        self.branches = nn.ModuleList(branches.values())  # a ModuleDict has names of its own
        self.keeps = keeps

    def forward(self, x: Any) -> dict[str, Tensor]:
        made = {name: branch(x) for name, branch in zip(self.names, self.branches, strict=True)}
        return {**_named(x), **made} if self.keeps else made

    def extra_repr(self) -> str:
        return f"names={self.names}, keeps={self.keeps}"


def _named(x: Several) -> Mapping[str, Any]:
    return x if isinstance(x, Mapping) else {str(place): each for place, each in enumerate(x)}


class _Fork(Op):
    """Op whose arguments are branches by name, all applied to the same input."""

    takes_several = True

    def __init__(self, name: str, doc: str, *, keeps: bool) -> None:
        branches = inspect.Parameter("branches", inspect.Parameter.VAR_KEYWORD)
        super().__init__(name, inspect.Signature([branches]), doc)
        self.keeps = keeps

    def simplify(self, node: Node) -> Node:
        # The order of the names makes no difference.
        return Node(self, tuple(sorted(node.args)), (), node.name)

    def cost(self, node: Node, site: Site) -> Cost:
        together, shapes = Cost(site.shape), self._kept(site)
        paths = dict(kept(site.shape)) if self.keeps else {}
        for name, branch in self._branches(node).items():
            cost = site.cost(branch)
            together = together.beside(cost, site.shape)
            shapes[name] = cost.shape
            paths = {out: reached for out, reached in paths.items() if out[0] != name}
            paths |= {(name, *out): reached for out, reached in cost.through.items()}
        together = together.beside(Cost(()), Shapes(shapes))
        return dataclasses.replace(together, depth=longest(paths), paths=paths)

    def build(self, node: Node, site: Site) -> nn.Module:
        site.cost(node)  # raises if a branch cannot be built
        built = {name: site.build(branch) for name, branch in self._branches(node).items()}
        return Forked(built, keeps=self.keeps)

    def _kept(self, site: Site) -> dict[str, Any]:
        if not self.keeps:
            return {}
        if not isinstance(site.shape, Shapes):
            raise ValueError(f"one tensor comes in, of shape {site.shape}: make several by fork first")
        return dict(site.shape)

    def _branches(self, node: Node) -> dict[str, Node]:
        if not node.args:
            raise ValueError(f"name at least one branch: {self.name}(x=…)")
        for name, branch in node.args:
            if not isinstance(branch, Node):
                raise ValueError(f"{name}={branch!r} is no op")
        return dict(node.args)


fork = register(
    _Fork(
        "fork",
        "Apply branches to the same input, and return their outputs by name.\n\n"
        "At the end of a network these are its heads; a task then gets outputs by name.\n\n"
        ">>> from optnas import ops\n"
        ">>> ops.fork(kind=ops.head(3), size=ops.head(1)).cost((8, 4, 4)).shape\n"
        "kind 3, size 1",
        keeps=False,
    )
)
update = register(
    _Fork(
        "update",
        "Replace some of several tensors by name, or add some, and keep the others.\n\n"
        "Each branch gets all that comes in: ``update(x=attend(input('x'), input('memory')))``.",
        keeps=True,
    )
)
