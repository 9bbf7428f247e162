"""The decorator ``op``, which turns an ``nn.Module`` class or a function into an op."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, overload

from optnas.cost import Cost
from optnas.ops.own_merge import OwnMerge, tensors_of
from optnas.ops.wrapped import Wrapped
from optnas.ops.wrapped import unpickled as _unpickled  # noqa: F401 - networks were pickled with this name
from optnas.space import Node, Op, SpaceError, register

__all__ = ["op"]


@overload
def op(wrapped: Callable[..., Any], /) -> Op: ...
@overload
def op(
    wrapped: Callable[..., Any],
    /,
    *,
    name: str | None = None,
    cost: Callable[..., Cost] | None = None,
    simplify: Callable[[Node], Node | None] | None = None,
    commutative: bool = False,
) -> Op: ...
@overload
def op(
    *,
    name: str | None = None,
    cost: Callable[..., Cost] | None = None,
    simplify: Callable[[Node], Node | None] | None = None,
    commutative: bool = False,
) -> Callable[[Callable[..., Any]], Op]: ...
def op(
    wrapped: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    cost: Callable[..., Cost] | None = None,
    simplify: Callable[[Node], Node | None] | None = None,
    commutative: bool = False,
) -> Any:
    """Make an op from an ``nn.Module`` class or a function, as a decorator or by a call.

    ``wrapped`` can be

    - a class: built with the op's arguments;
    - a function whose first parameter is ``x`` or ``input``: applied to the tensor;
    - a function of several tensors, its first parameters (``x: Tensor, y: Tensor`` or ``*branches: Tensor``),
      or a class whose ``forward`` takes several: a merge, whose children are branches on the same input, and
      whose tensors are their outputs, as of ``add``;
    - a function that returns a module: called with the op's arguments;
    - a function annotated ``-> Node``: a composite op, which stands for the tree that it returns.

    Parameters called ``shape``, ``in_channels``, ``num_features``, ``num_channels``, ``in_features``
    or ``input_size`` are filled from the shape of the input (without the batch) and are not arguments
    of the op. In a merge they are those of the first branch's output, and ``shapes`` is the tuple of all.
    An argument left at ``None`` is filled from the context of ``build`` if that has its
    name (``outputs``). Trees among the arguments, and the children that ``*branches`` of ``__init__`` takes,
    are built for the input's shape and passed as modules, except to a composite op.

    Results of an op are used again only for the same source, including that of the user's own code and the
    constants it depends on. What it reads from a file, weights that it takes from outside and what objects
    of other packages hold do not count: give such an op another name when they change.

    Args:
        wrapped: The class or function.
        name: Name of the op in texts; by default the name of ``wrapped``.
        cost: Takes the same arguments as ``wrapped`` and ``shape``, and returns the exact
            :class:`~optnas.cost.Cost`; that of a merge may take ``shapes``, and is without the branches. By
            default all costs are counted by a run of the module on the meta device; an op that reads values
            in its forward pass (``x.item()``) needs one.
        simplify: Returns an equivalent simpler tree for a node, or ``None`` for the identity function.
        commutative: Whether the order of a merge's branches makes no difference.

    Raises:
        SpaceError: If the name cannot be used in a text, or is taken: by optnas, or in another module.

    >>> import torch
    >>> from optnas import op
    >>> @op
    ... def scaled_tanh(x, scale=1.0):
    ...     return scale * torch.tanh(x)
    >>> scaled_tanh(scale=1.5).build((4,))(torch.zeros(1, 4)).shape
    torch.Size([1, 4])
    >>> @op
    ... def gated_difference(x: torch.Tensor, y: torch.Tensor, sharpness=1.0):
    ...     return (x - y) * torch.sigmoid(sharpness * y)
    >>> from optnas import ops
    >>> ops.branch(ops.linear(3), ops.linear(3), merge="gated_difference").cost((4,)).shape
    (3,)
    """
    # Where it is called: what is wrapped may be of another module, such as PyTorch's.
    module = sys._getframe(1).f_globals.get("__name__", "__main__")

    def made(wrapped: Callable[..., Any]) -> Op:
        called, tensors = name or _name_of(wrapped), tensors_of(wrapped)
        if tensors is not None:
            rest = (wrapped, called, cost, simplify, module)
            return register(OwnMerge(*rest, tensors=tensors, commutative=commutative))
        if commutative:
            raise SpaceError(f"op {called!r}: commutative=True is for merges, which take several tensors")
        return register(Wrapped(wrapped, called, cost, simplify, module))

    return made if wrapped is None else made(wrapped)


def _name_of(wrapped: Callable[..., Any]) -> str:
    name = getattr(wrapped, "__name__", None)
    if not isinstance(name, str):
        raise SpaceError(f"op({wrapped!r:.60}): it has no name of its own; give op(…, name=…)")
    return name
