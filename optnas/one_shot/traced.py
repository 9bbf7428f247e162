"""Which weights of a built network belong to which place of its search space."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from optnas.space import Node, Site
from optnas.space.shapes import AnyShape

__all__ = ["AROUND", "Traced", "traced"]

AROUND = "|"
"""Beginning of the names of nodes that only hold together what stands at one place, such as a mixture."""


@dataclasses.dataclass
class _Part:
    """A part of a network that was built for a node, and the parts within it."""

    node: Node
    module: nn.Module | None = None
    parts: list[_Part] = dataclasses.field(default_factory=list)

    @property
    def has_weights(self) -> bool:
        """Whether it has any parameters."""
        return self.module is not None and next(self.module.parameters(), None) is not None

    @property
    def structure(self) -> str:
        """The ops with weights of which the part consists, without those that have places of their own."""
        inside = [part.structure for part in self.parts if part.node.name is None and part.has_weights]
        return f"{self.node.op.name}({','.join(inside)})" if inside else self.node.op.name


@dataclasses.dataclass(frozen=True)
class Traced:
    """A network that was built for a tree whose nodes have places, and what belongs to each place.

    Attributes:
        module: The network.
        keys: For the name of each of its parameters a key that is the same for the same place of the space,
            the same layers there and the same parameter of them.
        at: The modules that were built for each place.
    """

    module: nn.Module
    keys: dict[str, str]
    at: dict[str, list[nn.Module]]


def traced(tree: Node, shape: AnyShape, **context: Any) -> Traced:
    """Build ``tree``, whose nodes have their places as names, and find the place of each parameter.

    Raises:
        BuildError: If it cannot be built.
    """
    root: list[_Part] = []
    stack = [root]

    def watch(node: Node, site: Site) -> Callable[[nn.Module], None]:
        part = _Part(node)
        stack[-1].append(part)
        stack.append(part.parts)

        def built(module: nn.Module) -> None:
            part.module = module
            stack.pop()

        return built

    module: nn.Module = dataclasses.replace(Site.of(shape, context), watch=watch).build(tree)
    by_parameter: dict[int, str] = {}
    at: dict[str, list[nn.Module]] = {}
    for path, part in _walk(root, ""):
        assert part.module is not None
        if part.node.name is not None:
            at.setdefault(part.node.name, []).append(part.module)
        for name, parameter in part.module.named_parameters():
            by_parameter.setdefault(id(parameter), f"{path}:{name}")
    keys = {name: by_parameter[id(parameter)] for name, parameter in module.named_parameters()}
    return Traced(module, keys, at)


def _walk(parts: list[_Part], above: str) -> Iterator[tuple[str, _Part]]:
    """Yield each part with its path, the innermost first."""
    seen = Counter[str]()
    for part in _flat(parts):
        word = part.structure if part.node.name is None else f"{part.node.name}={part.structure}"
        path = f"{above}/{word}#{seen[word]}" if seen[word] else f"{above}/{word}"
        seen[word] += 1
        yield from _walk(part.parts, path)
        yield path, part


def _flat(parts: list[_Part]) -> Iterator[_Part]:
    """Yield parts, and in place of a mixture those in it: they are where they would be without it."""
    for part in parts:
        if (part.node.name or "").startswith(AROUND):
            yield from _flat(part.parts)
        else:
            yield part
