"""Parses recorded architectures and spaces whose ops may be unknown in this process."""

from __future__ import annotations

import inspect
from typing import Any

# Their ops, and the notations of architectures, are known once they are imported.
from optnas import ops, spaces  # noqa: F401
from optnas.space import Node, Op, SpaceError
from optnas.space.holes import is_open
from optnas.space.parse import parse_tree
from optnas.space.spellings import spellings
from optnas.space.values import tree_value

__all__ = ["UnknownOp", "read"]

# A few characters must not stand for more than can be drawn or counted.
_COPIES = ("cells", "layers")
_MOST_COPIES = 1_000


class UnknownOp(Op):
    """Op of which only the name is known: it takes any arguments, and has no cost."""

    # Compared by its name: there is no source.
    builtin = True

    def __init__(self, name: str) -> None:
        super().__init__(name, inspect.Signature())
        self.builtin = True

    def __call__(self, *args: Any, name: str | None = None, **kwargs: Any) -> Node:
        values = [tree_value(value, self.name) for value in args]
        children = tuple(value for value in values if isinstance(value, Node) or is_open(value))
        positional = [value for value in values if not (isinstance(value, Node) or is_open(value))]
        named = {key: tree_value(value, self.name) for key, value in kwargs.items()}
        numbered = {f"#{index}": value for index, value in enumerate(positional)}
        return Node(self, tuple({**numbered, **named}.items()), children, name)

    def positional(self, arg: str) -> bool:
        return arg.startswith("#")


def read(text: str) -> Node:
    """Return the architecture or search space of a text, such as ``str(tree)`` or one in a database.

    Ops that are unknown here, such as those of a study file that is not at hand, become nodes of their
    name: they can be drawn, and not counted or built. So do known ops with arguments that they do not take.
    Nothing is executed.

    Raises:
        SpaceError: If the text is not a tree, or of more layers than any network has.

    >>> read("seq(conv(16), my_block(3, rate=0.5), head)")
    seq(conv(16), my_block(3, rate=0.5), head)
    """
    if not isinstance(text, str):
        raise SpaceError(f"read() takes a text, not {type(text).__name__}")
    for spelling in spellings().values():
        if spelling.recognises(text):
            return spelling.read(text)
    tree = parse_tree(text, UnknownOp)
    for node in tree.walk():
        for name, value in node.args:
            if name in _COPIES and isinstance(value, int) and value > _MOST_COPIES:
                raise SpaceError(f"{node.op.name}({name}={value}): more than {_MOST_COPIES:,} are no network")
    return tree
