"""The immutable tree that represents a search space or an architecture and prints as its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from optnas.space.holes import is_open
from optnas.space.values import TreeValue, text_of

if TYPE_CHECKING:
    import random

    from optuna.distributions import BaseDistribution
    from optuna.trial import BaseTrial

    from optnas.space.op import Op
    from optnas.space.shapes import AnyShape

__all__ = ["Node"]


class Node(TreeValue):
    """An op with its arguments and children, any of which may be a hole.

    A tree without holes is an *architecture*. Nodes are made by calling an op, are immutable,
    compare by value, and print as the Python code that makes them.

    Attributes:
        op: Its op: the kind of layer, block or function.
        args: Its arguments by name, defaults filled in.
        children: Its children, in order.
        name: Name of this part of a space, with which the names of its holes begin.

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
            self.op.same_as(other.op)
            and self.args == other.args
            and self.children == other.children
            and self.name == other.name
        )

    def _content(self) -> tuple[Any, ...]:
        return (self.op, self.args, self.children)

    def __reduce__(self) -> Any:
        return (Node, (self.op, self.args, self.children, self.name))

    def __repr__(self) -> str:
        return text_of(self)

    @cached_property
    def _text(self) -> str:
        # Cached, because parts are shared within an architecture and between architectures.
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
        """Whether the tree contains a hole."""
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
        """Yield this node and every node below it, parents first. Options of holes are not visited."""
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
        """Return the distributions of all parameters by name, conditional ones included, in tree order.

        Raises:
            SpaceError: If two different holes have the same parameter name.
        """
        from optnas.space.closing import distributions

        return distributions(self)

    def suggest(self, trial: BaseTrial) -> Node:
        """Return the architecture for the parameters that ``trial`` suggests."""
        from optnas.space.closing import suggest

        return suggest(self, trial)

    def close(self, params: Mapping[str, Any]) -> Node:
        """Return the architecture for ``params``; parameters that are not active are ignored.

        Raises:
            SpaceError: If an active parameter is missing or outside its range.
        """
        from optnas.space.closing import close

        return close(self, params)

    def params(self, architecture: Node) -> dict[str, Any]:
        """Return the parameters with which this space yields ``architecture``.

        Raises:
            SpaceError: If it is not an architecture of this space.
        """
        from optnas.space.match import params

        return params(self, architecture)

    def active(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the active parameters among ``params``: those that their architecture depends on."""
        from optnas.space.closing import active

        return active(self, params)

    def sample(self, rng: random.Random | int | None = None) -> Node:
        """Return a random architecture; each parameter is drawn uniformly from its distribution.

        Args:
            rng: A generator, or a seed for one.
        """
        from optnas.space.closing import sample

        return sample(self, rng)

    def size(self) -> float:
        """Return the number of parameter combinations: an ``int``, or ``inf`` with a continuous parameter."""
        from optnas.space.size import size

        return size(self)

    # An architecture.

    @cached_property
    def key(self) -> str:
        """Digest of the canonical form, which is the same for structurally equivalent architectures.

        Before hashing, nested chains are flattened, identities removed and composite ops expanded. The
        user's own ops count with their source: corrected, an op makes another key.
        """
        from optnas.space.key import key

        return key(self)

    def to(self, spelling: str) -> str:
        """Return the architecture in another notation, such as ``"nasbench201"`` or ``"darts"``.

        Raises:
            SpaceError: If there is no such notation, or it cannot express this architecture.
        """
        from optnas.space.spellings import to

        return to(self, spelling)

    def cost(self, shape: AnyShape, **context: Any) -> Any:
        """Return the exact :class:`~optnas.cost.Cost` on one sample of ``shape``, without allocating tensors.

        Args:
            shape: The input's shape without the batch, e.g. ``(1, 8, 8)``.
            context: Values for op arguments left at ``None``, e.g. ``outputs=10`` for ``head``.

        Raises:
            BuildError: If it cannot be built on that shape; the message names the node.
        """
        from optnas.space.op import Site

        return Site.of(shape, context).cost(self)

    def build(self, shape: AnyShape, **context: Any) -> Any:
        """Return a fresh ``torch.nn.Module`` for inputs of ``shape`` (without the batch).

        The arguments and errors are those of :meth:`cost`.
        """
        from optnas.space.op import Site

        return Site.of(shape, context).build(self)

    def draw(
        self, shape: AnyShape | None = None, *, expand: bool = False, module: Any = None, **context: Any
    ) -> Any:
        """Return a :class:`~optnas.drawing.Drawing`: an SVG for notebooks and files.

        Data flows from top to bottom. A box is as wide as its layer's channels on a logarithmic scale, and as
        high as its share of the FLOPs. What cannot be built on ``shape`` is drawn without costs and says why.

        Args:
            shape: The input's shape without the batch; ``None`` draws without shapes and costs. A space is
                drawn with its open choices.
            expand: Whether blocks are opened and repetitions written out.
            module: The network that was built for ``shape`` and trained: activations are drawn with the
                constants that it has learned.
            context: As for :meth:`cost`.
        """
        return _drawing().draw(self, shape, expand=expand, module=module, **context)

    def _repr_svg_(self) -> str:
        svg: str = self.draw().svg
        return svg

    def table(self, shape: AnyShape, *, expand: bool = False, **context: Any) -> Any:
        """Return the :class:`~optnas.drawing.ArchitectureTable` of the layers with their shapes and costs.

        Terminals show it by rich, and notebooks as HTML.

        Args:
            shape: The input's shape without the batch.
            expand: Whether blocks are opened and repetitions written out.
            context: As for :meth:`cost`.

        Raises:
            SpaceError: If the tree still has holes.
        """
        return _drawing().table(self, shape, expand=expand, **context)


def _drawing() -> Any:
    # Drawings know all ops, and so are far above this room. That a tree draws itself is worth the one
    # import by name, which nothing but these methods makes.
    return import_module("optnas.drawing")
