"""Stages of a network: a block repeated, with a stride in the first copy."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

from optnas.space.errors import SpaceError
from optnas.space.holes import Choose, Repeat, repeat
from optnas.space.memo import remembered
from optnas.space.node import Node
from optnas.space.values import text_of, tree_value

__all__ = ["Stage", "stage", "strided"]


@dataclasses.dataclass(frozen=True, repr=False)
class Stage(Repeat):
    """``low`` to ``high`` copies of ``body``, the first with a stride."""

    stride: Any = 2

    @property
    def word(self) -> str:
        return self.name or "stage"

    def copy(self, index: int) -> Any:
        return self._first if index == 0 else self.body

    @cached_property
    def _first(self) -> Any:
        return strided(self.body, self.stride)

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name is not None else ""
        stride = text_of(self.stride)
        text = f"stage({text_of(self.body)}, {self.low}, {self.high}, stride={stride}{name})"
        return f"shared({text})" if self.study_wide else text


def stage(block: Any, low: int, high: int | None = None, *, stride: Any = 2, name: str | None = None) -> Any:
    """Repeat ``block`` ``low`` to ``high`` times, with a stride in the first copy.

    Args:
        block: The tree, or the choice between trees, to repeat. In the first copy, an op with an
            argument ``stride`` gets the stride; in a chain, the first such op.
        low: The smallest number of copies, 1 or more.
        high: The largest number; by default ``low``, which fixes the number.
        stride: The stride of the first copy; it can be a choice.
        name: Name of one copy; by default ``stage``.

    Raises:
        SpaceError: If the range is empty, or nothing in the block has a stride.

    >>> from optnas import ops
    >>> space = ops.seq(stage(ops.basic_block(16), 1, 3, name="block"))
    >>> space.close({"blocks": 2})
    seq(basic_block(16, stride=2), basic_block(16))
    """
    plain = repeat(block, low, high, name=name)
    if low < 1:
        raise SpaceError("stage(…, 0): give at least 1 copy, the one that takes the stride")
    made = Stage(plain.body, plain.low, plain.high, tree_value(stride, "stage(stride=…)"), name=plain.name)
    made.copy(0)  # raises if nothing in the block has a stride
    return made


@remembered(2**14)
def strided(value: Any, stride: Any) -> Any:
    """Return ``value``, a tree or a choice between trees, with another stride.

    An op with an argument ``stride`` gets it; a sequential op passes it to its first child that can.

    Raises:
        SpaceError: If nothing in ``value`` has a stride.
    """
    made = _strided(value, stride)
    if made is None:
        raise SpaceError(f"{value} cannot take stride={stride}: nothing in it has a stride")
    return made


def _strided(value: Any, stride: Any) -> Any:
    if isinstance(value, Choose):
        return dataclasses.replace(value, options=tuple(strided(option, stride) for option in value.options))
    if not isinstance(value, Node):
        return None
    if any(arg == "stride" for arg, _ in value.args):
        args = tuple((arg, stride if arg == "stride" else content) for arg, content in value.args)
        return Node(value.op, args, value.children, value.name)
    if value.op.alternatives:
        children = tuple(strided(child, stride) for child in value.children)
        return Node(value.op, value.args, children, value.name)
    if value.op.sequential:
        for index, child in enumerate(value.children):
            made = _strided(child, stride)
            if made is not None:
                children = (*value.children[:index], made, *value.children[index + 1 :])
                return Node(value.op, value.args, children, value.name)
    return None
