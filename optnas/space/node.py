"""The tree: one immutable notation for a space, an architecture, and the text of an architecture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from optnas.space.holes import is_open
from optnas.space.values import TreeValue, text_of

if TYPE_CHECKING:
    import random

    from optuna.distributions import BaseDistribution
    from optuna.trial import BaseTrial

    from optnas.space.op import Op, Shape

__all__ = ["Node"]


class Node(TreeValue):
    """An op with its arguments and children, any of which may be a hole.

    A tree without holes is an *architecture*. Nodes are made by calling an op, are immutable,
    compare by what they say, and print as the Python that makes them.

    Attributes:
        op: What it does.
        args: Its arguments by name, defaults filled in.
        children: What it consists of, in order.
        name: What people call this part; its holes' names begin with it.

    >>> from optnas import ops
    >>> ops.seq(ops.conv(16, kernel=5), ops.norm(), ops.relu())
    seq(conv(16, kernel=5), norm, relu)
    """

    op: Op
    args: tuple[tuple[str, Any], ...]
    children: tuple[Any, ...]
    name: str | None
    _hash: int

    def __init__(
        self,
        op: Op,
        args: tuple[tuple[str, Any], ...] = (),
        children: tuple[Any, ...] = (),
        name: str | None = None,
    ) -> None:
        set_field = object.__setattr__
        set_field(self, "op", op)
        set_field(self, "args", args)
        set_field(self, "children", children)
        set_field(self, "name", name)
        set_field(self, "_hash", hash((op.name, args, children, name)))

    def __setattr__(self, field: str, value: object) -> None:
        raise AttributeError(f"a Node is immutable: cannot set {field!r}")

    def __delattr__(self, field: str) -> None:
        raise AttributeError(f"a Node is immutable: cannot delete {field!r}")

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Node) or self._hash != other._hash:
            return False
        return (
            self.op.name == other.op.name
            and self.args == other.args
            and self.children == other.children
            and self.name == other.name
        )

    def __reduce__(self) -> Any:
        return (Node, (self.op, self.args, self.children, self.name))

    def __repr__(self) -> str:
        return text_of(self)

    @cached_property
    def _text(self) -> str:
        # Kept, since the parts of an architecture are shared within it and with others.
        by_position, by_name = [], []
        for arg, content in self.args:
            required, default = self.op.default(arg)
            if self.op.positional(arg) and (required or self.children):
                by_position.append(text_of(content))
            elif required or content != default or type(content) is not type(default):
                by_name.append(f"{arg}={text_of(content)}")
        if self.name is not None:
            by_name.append(f"name={self.name!r}")
        written = [*by_position, *map(text_of, self.children), *by_name]
        return f"{self.op.name}({', '.join(written)})" if written else self.op.name

    @cached_property
    def open(self) -> bool:
        """Whether a choice is left open anywhere in the tree."""
        return any(is_open(value) for _, value in self.args) or any(map(is_open, self.children))

    @cached_property
    def named(self) -> bool:
        """Whether any part of the tree has a name."""
        return any(node.name is not None for node in self.walk())

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments as a dictionary."""
        return dict(self.args)

    def walk(self) -> Iterator[Node]:
        """Yield this node and every node below it, parents first. A hole's options are not entered."""
        stack: list[Any] = [self]
        while stack:
            value = stack.pop()
            if isinstance(value, Node):
                yield value
                stack.extend(reversed((*(v for _, v in value.args), *value.children)))
            elif isinstance(value, tuple):
                stack.extend(reversed(value))

    # A space.

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return every parameter of the space, conditional ones included, in the order of the tree.

        Raises:
            SpaceError: If one name stands for two different decisions.
        """
        from optnas.space.closing import distributions

        return distributions(self)

    def suggest(self, trial: BaseTrial) -> Node:
        """Close every hole by a suggestion of ``trial`` and return the architecture."""
        from optnas.space.closing import suggest

        return suggest(self, trial)

    def close(self, params: Mapping[str, Any]) -> Node:
        """Close the holes by ``params``; those of branches not taken are ignored.

        Raises:
            SpaceError: If a parameter that is needed is missing or outside its range.
        """
        from optnas.space.closing import close

        return close(self, params)

    def params(self, architecture: Node) -> dict[str, Any]:
        """Return the parameters that close this space to ``architecture``.

        Raises:
            SpaceError: If it is not an architecture of this space.
        """
        from optnas.space.match import params

        return params(self, architecture)

    def active(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of ``params`` that the architecture they make depends on."""
        from optnas.space.closing import active

        return active(self, params)

    def sample(self, rng: random.Random | int | None = None) -> Node:
        """Return an architecture drawn by closing every hole uniformly at random.

        Args:
            rng: A generator, or a seed for one.
        """
        from optnas.space.closing import sample

        return sample(self, rng)

    def size(self) -> float:
        """Return in how many ways the holes can be closed: an ``int``, or ``inf`` with a real hole."""
        from optnas.space.size import size

        return size(self)

    # An architecture.

    @cached_property
    def key(self) -> str:
        """A digest, equal for trees that compute the same function by construction.

        Nested chains are flattened, identities dropped and composite ops taken apart first.
        """
        from optnas.space.key import key

        return key(self)

    def to(self, spelling: str) -> str:
        """Return the architecture in another spelling, such as ``"nasbench201"`` or ``"darts"``.

        Raises:
            SpaceError: If there is no such spelling, or it cannot say this architecture.
        """
        from optnas.space.spellings import to

        return to(self, spelling)

    def cost(self, shape: Shape, **context: Any) -> Any:
        """Return the exact :class:`~optnas.cost.Cost` on one sample of ``shape``, without a tensor.

        Args:
            shape: The input's shape without the batch, e.g. ``(1, 8, 8)``.
            context: What ops take from their surroundings, e.g. ``outputs=10`` for ``head``.

        Raises:
            BuildError: If it cannot be built on that shape; the message names the node.
        """
        from optnas.space.op import Site

        return Site.of(shape, context).cost(self)

    def build(self, shape: Shape, **context: Any) -> Any:
        """Return a fresh ``torch.nn.Module`` for inputs of ``shape`` (without the batch).

        The arguments and errors are those of :meth:`cost`.
        """
        from optnas.space.op import Site

        return Site.of(shape, context).build(self)
