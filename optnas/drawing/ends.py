"""The two ends of a drawn network: where several inputs come in, and several heads go out."""

from __future__ import annotations

import dataclasses
from typing import Any

from optnas.drawing.parts import Branches, Chain, Layer, Part

__all__ = ["at_its_ends"]


def at_its_ends(chain: Chain) -> tuple[Chain, bool, bool]:
    """Mark the branches of a whole network that begin at inputs, and the heads that it ends in.

    Returns:
        The network, whether it begins at inputs by name, and whether it ends in heads.
    """
    if not chain.parts:
        return chain, False, False
    begins = all(map(_is_input, _firsts(chain.parts[0])))
    if begins:
        first: Any = _begun(chain.parts[0])
        chain = dataclasses.replace(chain, parts=(first, *chain.parts[1:]))
    last = chain.parts[-1]
    ends = False
    if isinstance(last, Branches) and last.names and last.node.op.name == "fork":
        ends = True
        heads: Any = dataclasses.replace(last, ends=True)
        chain = dataclasses.replace(chain, parts=(*chain.parts[:-1], heads))
    return chain, begins, ends


def _is_input(part: Part) -> bool:
    return isinstance(part, Layer) and part.kind == "input"


def _firsts(part: Part) -> list[Part]:
    """Return what a part begins with: of branches what each of them begins with."""
    match part:
        case Chain(parts=parts):
            return _firsts(parts[0]) if parts else [part]
        case Branches(paths=paths):
            return [first for path in paths for first in _firsts(path)]
    return [part]


def _begun(part: Any) -> Any:
    """Return a part with the branches that it begins with marked as the first."""
    match part:
        case Chain(parts=parts):
            return dataclasses.replace(part, parts=(_begun(parts[0]), *parts[1:]))
        case Branches(paths=paths):
            return dataclasses.replace(part, paths=tuple(map(_begun, paths)), begins=True)
    return part
