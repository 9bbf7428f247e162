"""The command ``optnas draw``: a study's space, an architecture, or an activation as SVG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optnas.drawing import Drawing
from optnas.drawing.activations import plot
from optnas.drawing.curves import is_activation
from optnas.drawing.reading import UnknownOp, read
from optnas.errors import UserError, nearest
from optnas.run.files import load_study
from optnas.shown import note
from optnas.space import Node, ops_by_name

__all__ = ["drawing_of"]


def drawing_of(
    what: str, *, shape: Sequence[str] = (), outputs: int | None = None, expand: bool = False
) -> Drawing:
    """Return the drawing of a study's search space, an architecture or an activation.

    Args:
        what: The study's file, which is run; or the text of an architecture, a space or an activation.
        shape: The input's shape, such as ``3x32x32``, for an architecture's costs; of several inputs
            ``name=sizes`` each, with no sizes for single numbers.
        outputs: The number of outputs of a head.
        expand: Whether blocks are opened and repetitions written out.

    Raises:
        UserError: If there is no such file or op, or the shape is none.
        SpaceError: If the text cannot be read.
    """
    if Path(what.partition(":")[0]).suffix == ".py":
        return load_study(what).space.draw(expand=expand)  # type: ignore[no-any-return]
    tree = read(what)
    _tell_unknown(tree)
    if not shape and is_activation(tree) and not tree.open:
        return plot(tree)
    context: dict[str, Any] = {} if outputs is None else {"outputs": outputs}
    return tree.draw(_shape(shape), expand=expand, **context)  # type: ignore[no-any-return]


def _tell_unknown(tree: Node) -> None:
    """Say which ops are drawn by their names alone, as there may be a slip of the pen.

    Raises:
        UserError: If the whole text is no more than such a name.
    """
    unknown = dict.fromkeys(node.op.name for node in tree.walk() if isinstance(node.op, UnknownOp))
    if isinstance(tree.op, UnknownOp) and not tree.children:
        raise UserError(f"there is no op {tree.op.name!r}{_meant(tree.op.name)}, and no file of that name")
    for name in unknown:
        note(f"note: {name!r} is none of optnas's ops{_meant(name)}; it is drawn by its name, without costs")


def _meant(name: str) -> str:
    hint = nearest(name, ops_by_name())
    return f" ({hint})" if hint.startswith("did") else ""


def _shape(given: Sequence[str]) -> Any:
    """Return the shape of one input, or the shapes of several that are given as ``name=sizes``."""
    if not given:
        return None
    if len(given) == 1 and "=" not in given[0]:
        return _sizes(given[0], given[0])
    shapes: dict[str, Any] = {}
    for text in given:
        name, equals, sizes = text.partition("=")
        if not equals or not name.strip():
            raise UserError(f"--shape {text}: of several inputs give each by name, such as picture=3x32x32")
        if name.strip() in shapes:
            raise UserError(f"--shape {text}: {name.strip()} has a shape already")
        shapes[name.strip()] = _sizes(sizes, text) if sizes.strip() else ()
    return shapes


def _sizes(sizes: str, text: str) -> tuple[int, ...]:
    each = re.split("[x×,]", sizes)
    if not all(size.strip().isdecimal() and int(size) > 0 for size in each):
        raise UserError(f"--shape {text}: give the input's sizes without the batch, such as 3x32x32")
    return tuple(map(int, each))
