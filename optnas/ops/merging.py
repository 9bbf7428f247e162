"""Base class of merges: ops whose children are branches on one input, and combine their outputs."""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import nn

from optnas.cost import Cost
from optnas.cost.paths import Paths, after, longest
from optnas.ops.modules import Merged
from optnas.space import Node, Op, Shape, Shapes, Site, ops_by_name

__all__ = ["Merging", "layers_from", "merged", "merging_of"]


class Merging(Op):
    """Op whose children are branches, which all get the same input, and whose outputs it combines.

    Attributes:
        fewest: Smallest number of branches.
        most: Largest number of branches; ``None`` for no limit.
    """

    takes_several = True
    fewest: int = 1
    most: int | None = None

    def merging_cost(self, node: Node, shapes: list[Shape], site: Site) -> Cost:
        """Return the cost of merging tensors of these shapes, without the cost of the branches.

        Raises:
            ValueError: If tensors of these shapes cannot be merged.
        """
        raise NotImplementedError

    def merging_module(self, node: Node, shapes: list[Shape], site: Site) -> nn.Module:
        """Return a module that merges tensors of these shapes, each an argument of it."""
        raise NotImplementedError

    def cost(self, node: Node, site: Site) -> Cost:
        branches = [site.cost(branch) for branch in self.branches(node)]
        own = self.merging_cost(node, _single([branch.shape for branch in branches]), site)
        together = Cost(own.shape)
        for branch in branches:
            together = together.beside(branch, own.shape)
        if own.paths is None and all(branch.paths is None for branch in branches):
            return together.then(own)
        paths = after(_placed(branches), _from_branches(own, len(branches)))
        merged = together.then(dataclasses.replace(own, paths=None))
        one_input = all(each.paths is None for each in branches)
        return dataclasses.replace(merged, depth=longest(paths), paths=None if one_input else paths)

    def build(self, node: Node, site: Site) -> nn.Module:
        site.cost(node)  # raises if the branches cannot be merged
        shapes = [site.cost(branch).shape for branch in node.children]
        merging = self.merging_module(node, shapes, site)
        return Merged([site.build(branch) for branch in node.children], merging)

    def branches(self, node: Node) -> tuple[Node, ...]:
        """Return the children of ``node``.

        Raises:
            ValueError: If there are too few or too many.
        """
        self.check_number(len(node.children))
        return node.children

    def check_number(self, count: int) -> None:
        """Raise a ``ValueError`` unless it merges that many branches."""
        if count < self.fewest or (self.most is not None and count > self.most):
            wanted = f"{self.fewest}" if self.most == self.fewest else f"at least {self.fewest}"
            raise ValueError(f"{self.name} merges {wanted} branches, not {count}")


def layers_from(merging: Cost, place: int) -> int:
    """Return the layers on the longest path from a branch through a merge of this cost."""
    return merging.depth if merging.paths is None else merging.paths[()].get((str(place),), 0)


def _from_branches(merging: Cost, count: int) -> Paths:
    """Return the paths through a merge from its branches, which have the names of their places."""
    return merging.paths or {(): {(str(place),): merging.depth for place in range(count)}}


def _placed(branches: list[Cost]) -> Paths:
    """Return the paths to the outputs of branches, which have the names of their places."""
    return {(str(place),): branch.through[()] for place, branch in enumerate(branches)}


def _single(shapes: list[Any]) -> list[Shape]:
    for place, shape in enumerate(shapes):
        if isinstance(shape, Shapes):
            raise ValueError(
                f"its branch {place} returns several tensors ({', '.join(shape)}): end it in"
                f" ops.input({next(iter(shape))!r})"
            )
    return shapes


def merging_of(node: Node) -> Merging:
    """Return the op of a node that is a merge."""
    assert isinstance(node.op, Merging)
    return node.op


def merged(merge: object, *branches: Node) -> Node:
    """Return the node that merges branches.

    Args:
        merge: The name of a merge, or the merge itself with its arguments, such as ``blend(beta=0.3)``.
        branches: The branches; none for the merge itself.

    Raises:
        ValueError: If it is no merge.
    """
    if isinstance(merge, Node) and isinstance(merge.op, Merging) and not merge.children:
        return Node(merge.op, merge.args, branches)
    known = ops_by_name().get(merge) if isinstance(merge, str) else None
    if not isinstance(known, Merging):
        raise ValueError(
            f"merge={merge!r} is no merge: use e.g. 'add', 'concat', 'mean' or 'gate', or an @op of several"
            " tensors"
        )
    return known(*branches)
