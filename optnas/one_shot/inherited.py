"""Comparison of architectures by the weights that they inherit from a supernet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from torch import nn

from optnas.one_shot.problem import Problem
from optnas.one_shot.supernet import Supernet
from optnas.space import SpaceError
from optnas.space.closing import Closing, decide_from

__all__ = ["Inherited", "Key"]

Key = tuple[tuple[str, Any], ...]
"""The parameters that an architecture decides, with their values."""

Found = TypeVar("Found")


class Inherited(Generic[Found]):
    """Architectures of a supernet, each evaluated once with the weights that it inherits.

    Args:
        problem: The problem.
        net: The supernet.
        evaluated: Returns what is found of parameters and their network; ``None`` if they are infeasible.

    Attributes:
        found: What was found of each architecture; ``None`` of one that is infeasible or cannot be built.
    """

    def __init__(
        self,
        problem: Problem,
        net: Supernet,
        evaluated: Callable[[dict[str, Any], nn.Module], Found | None],
    ) -> None:
        self._problem, self._net, self._evaluated = problem, net, evaluated
        self.found: dict[Key, Found | None] = {}

    def evaluate(self, params: Mapping[str, Any]) -> None:
        """Evaluate the architecture of some parameters, unless it has been."""
        closing = Closing(decide_from(params))
        closing.close(self._problem.space)
        key = tuple(closing.decided.items())
        if key in self.found:
            return
        try:
            network = self._net.path(dict(key)).to(self._problem.device)
            self.found[key] = self._evaluated(dict(key), network)
        except SpaceError:
            self.found[key] = None

    @property
    def feasible(self) -> dict[Key, Found]:
        """Those of :attr:`found` that are feasible."""
        return {key: found for key, found in self.found.items() if found is not None}
