"""The ops of the user's own in a search space or an architecture."""

from __future__ import annotations

from collections.abc import Mapping

from optnas.space.holes import outcomes
from optnas.space.node import Node
from optnas.space.op import ops_by_name

__all__ = ["called", "changed_ops", "own_ops"]


def own_ops(tree: Node) -> dict[str, str]:
    """Return the :attr:`~optnas.space.op.Op.identity` of the user's own ops in ``tree`` by name.

    Those among the options of holes are included.
    """
    found: dict[str, str] = {}
    pending: list[object] = [tree]
    while pending:
        value = pending.pop()
        if isinstance(value, Node):
            if value.op.identity is not None:
                found[value.op.name] = value.op.identity
            pending += [*(content for _, content in value.args), *value.children]
            for argument in value.op.names_ops:
                for each in outcomes(value.arguments.get(argument)):
                    named = ops_by_name().get(each) if isinstance(each, str) else None
                    if named is not None and named.identity is not None:
                        found[named.name] = named.identity
        elif isinstance(value, tuple):
            pending += value
        else:
            pending += [each for each in outcomes(value) if each is not value]
    return dict(sorted(found.items()))


def changed_ops(before: Mapping[str, str] | None, now: Mapping[str, str]) -> list[str]:
    """Return the names of the ops that had another digest ``before`` than they have now."""
    return [name for name, digest in (before or {}).items() if now.get(name, digest) != digest]


def called(name: str) -> str:
    """Return what messages call a function of the user's own: an op, unless ``name`` says what else it is."""
    kind, _, rest = name.rpartition(" ")
    return f"{kind or 'op'} {rest!r}"
