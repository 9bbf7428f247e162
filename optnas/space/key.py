"""The canonical form of an architecture, and its digest."""

from __future__ import annotations

import hashlib
import inspect
from typing import Any

from optnas.space.errors import SpaceError
from optnas.space.memo import remembered
from optnas.space.node import Node
from optnas.space.op import Op
from optnas.space.own_ops import own_ops
from optnas.space.values import text_of

__all__ = ["canonical", "key"]

# Ops simplify in a few passes; an op whose simplify goes in circles must not hang a study.
_MOST_PASSES = 32


class _Identity(Op):
    builtin = True

    def simplify(self, node: Node) -> Node | None:
        return None


# Stands for an identity that cannot be removed, e.g. one branch of a merge. It is equal to a node of
# the public op of that name, which is also removed wherever possible.
_IDENTITY = _Identity("identity", inspect.Signature())()


def key(architecture: Node) -> str:
    if architecture.open:
        raise SpaceError(f"{architecture} still has holes: only an architecture has a key")
    simplest = canonical(architecture)
    text = text_of(simplest or _IDENTITY)
    for name, digest in own_ops(simplest).items() if simplest else ():
        text += f"\n{name} {digest}"
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


@remembered(2**14)
def canonical(node: Node) -> Node | None:
    """Return the simplest structurally equivalent tree; ``None`` for the identity function.

    Each op may simplify itself (:meth:`~optnas.space.op.Op.simplify`), before and after its parts
    are simplified. Chains inside sequential ops are flattened, identities inside them are removed,
    and the children of commutative ops are sorted.
    """
    simplest: Node | None = node
    for _ in range(_MOST_PASSES):
        before = simplest
        simplest = _simplified(before) if before is not None else None
        if simplest is None or simplest == before:
            break
    return simplest


def _simplified(node: Node) -> Node | None:
    simpler = node.op.simplify(node)
    if simpler is None or simpler != node:
        return simpler
    children: list[Node] = []
    for child in node.children:
        below = canonical(child)
        if not node.op.sequential:
            children.append(below or _IDENTITY)
        elif below is not None:
            children.extend(below.children if below.op.chain else [below])
    if node.op.chain and len(children) < 2:
        return children[0] if children else None
    if node.op.commutative:
        children.sort(key=text_of)
    return Node(node.op, tuple((arg, _canonical_value(value)) for arg, value in node.args), tuple(children))


def _canonical_value(value: Any) -> Any:
    if isinstance(value, Node):
        return canonical(value) or _IDENTITY
    if isinstance(value, tuple):
        return tuple(map(_canonical_value, value))
    return value
