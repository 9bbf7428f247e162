"""What ``optnas draw`` draws: a study's space, an architecture, or an activation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optnas.drawing import Drawing
from optnas.drawing.activations import plot
from optnas.drawing.curves import is_activation
from optnas.drawing.reading import read
from optnas.errors import UserError
from optnas.run.files import load_study

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
        UserError: If there is no such file, or the shape is none.
        SpaceError: If the text cannot be read.
    """
    if Path(what.partition(":")[0]).suffix == ".py":
        return load_study(what).space.draw(expand=expand)  # type: ignore[no-any-return]
    tree = read(what)
    if not shape and is_activation(tree) and not tree.open:
        return plot(tree)
    context: dict[str, Any] = {} if outputs is None else {"outputs": outputs}
    return tree.draw(_shape(shape), expand=expand, **context)  # type: ignore[no-any-return]


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
