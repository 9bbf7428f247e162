"""Builds a network and remembers which node of the architecture each of its modules was built for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from torch import nn

from optnas.space import Node, Site
from optnas.space.shapes import AnyShape
from optnas.train.device import forked_random

__all__ = ["Origin", "Origins"]


@dataclasses.dataclass(frozen=True)
class Origin:
    """The node that a module was built for, and where.

    Attributes:
        node: The node.
        shape: The shape of its input.
        built: What was built for the nodes in it, in order.
    """

    node: Node
    shape: Any
    built: tuple[tuple[Node, nn.Module], ...]


class Origins:
    """A network with the nodes that its modules were built for.

    Attributes:
        network: The network.
        context: The context of its ops.
    """

    def __init__(self, architecture: Node, shape: AnyShape, context: dict[str, Any]) -> None:
        self._of: dict[int, list[Origin]] = {}
        self._open: list[list[tuple[Node, nn.Module]]] = [[]]
        plain = Site.of(shape, context)
        self.context = plain.context
        with forked_random():
            self.network: nn.Module = dataclasses.replace(plain, watch=self._watch).build(architecture)

    def of(self, module: nn.Module) -> list[Origin]:
        """Return what a module was built for, outermost first: a composite op stands for another node."""
        return self._of.get(id(module), [])[::-1]

    def innermost(self, module: nn.Module) -> Origin:
        """Return the node that a module was built for, no composite op.

        Raises:
            KeyError: If it was built by another module.
        """
        return self._of[id(module)][0]

    def output(self, module: nn.Module) -> Any:
        """Return the shape of what a module returns."""
        origin = self.innermost(module)
        return Site(origin.shape, self.context).cost(origin.node).shape

    def _watch(self, node: Node, site: Site) -> Callable[[nn.Module], None]:
        self._open.append([])

        def built(module: nn.Module) -> None:
            origin = Origin(node, site.shape, tuple(self._open.pop()))
            self._of.setdefault(id(module), []).append(origin)
            self._open[-1].append((node, module))

        return built
