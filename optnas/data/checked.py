"""Checks of the parts of a data set, whoever made them, before anything is learned from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from optnas.data.trees import Tree, leaves, shape_of
from optnas.errors import UserError
from optnas.space.shapes import shape_text

__all__ = ["check_names", "check_parts"]


def check_parts(name: str, parts: Mapping[str, Any], prepare: Callable[[Tree], Tree]) -> None:
    """Raise unless the inputs and targets of each part fit together, and those of all parts.

    In every part there are as many of each input and target, by the same names; there are samples to train
    on and others for validation; and ``prepare`` leaves what is stored as it is, and keeps names and shapes.
    Parts that are not held in memory are left out.

    Args:
        name: Name of the data, for error messages.
        parts: The parts, by the names ``train``, ``validation`` and ``test``.
        prepare: Function from stored inputs to inputs of a network.

    Raises:
        UserError: If not.
    """
    held = {part: each for part, each in parts.items() if hasattr(each, "x")}
    for part, each in held.items():
        _check_part(f"data {name!r}, {part} part", each)
    for part in ("train", "validation"):
        if not len(parts[part]):
            raise UserError(f"data {name!r}: the {part} part has no samples")
    for part, each in held.items():
        for what in ("x", "y") if "train" in held else ():
            given, first = (_names(getattr(of, what)) for of in (each, held["train"]))
            if given != first:
                raise UserError(
                    f"data {name!r}: {what} is {given} in the {part} part, and {first} in the train part:"
                    " give the same names in all"
                )
    if "train" in held:
        _check_prepare(name, next(held["train"].blocks(2))[0], prepare)


def check_names(where: str, tree: Tree, *, nested: bool = True) -> None:
    """Raise unless each tensor, or array, of a tree has a text for its name, and there is one at all.

    Args:
        where: What the tree is, for error messages.
        tree: Tensors or arrays.
        nested: Whether several may stand within several.

    Raises:
        UserError: If not.
    """
    if not isinstance(tree, Mapping | tuple):
        return
    if not tree:
        raise UserError(f"{where}: it is empty; name at least one tensor")
    for name in tree if isinstance(tree, Mapping) else ():
        if not isinstance(name, str):
            raise UserError(
                f"{where}: the name {name!r:.60} must be a text, as ops.input and reports need one"
            )
    for place, each in tree.items() if isinstance(tree, Mapping) else enumerate(tree):
        if not nested and isinstance(each, Mapping | tuple):
            raise UserError(f"{where}: {place!r} holds several arrays itself; give each a name of its own")
        check_names(f"{where}[{place!r}]", each, nested=nested)


def _check_part(where: str, part: Any) -> None:
    counts = set()
    for what, tree in (("x", part.x), ("y", part.y)):
        check_names(f"{where}: {what}", tree)
        for each in leaves(tree):
            if not isinstance(each, Tensor) or not each.dim():
                told = f"a {type(each).__name__}" if not isinstance(each, Tensor) else "a single number"
                raise UserError(f"{where}: {what} holds {told}; give tensors of shape (samples, …)")
            counts.add(len(each))
    if len(counts) > 1:
        raise UserError(f"{where}: inputs and targets have {sorted(counts)} samples; give as many of each")


def _names(tree: Tree) -> Any:
    """Return the tree with its tensors left out."""
    if isinstance(tree, Mapping):
        return {name: _names(each) for name, each in sorted(tree.items())}
    return tuple(map(_names, tree)) if isinstance(tree, tuple) else "one tensor"


def _check_prepare(name: str, stored: Tree, prepare: Callable[[Tree], Tree]) -> None:
    before = [each._version for each in leaves(stored)]
    prepared = prepare(stored)
    if [each._version for each in leaves(stored)] != before:
        raise UserError(
            f"data {name!r}: prepare() changes what is stored, which is prepared again for each batch: let it"
            " return new tensors"
        )
    if _names(prepared) != _names(stored) or not all(isinstance(each, Tensor) for each in leaves(prepared)):
        raise UserError(
            f"data {name!r}: prepare() returns {prepared!r:.60} for {_names(stored)}: let it return tensors"
            " by the names that it gets"
        )
    counts = {len(each) for each in leaves(prepared)} | {len(each) for each in leaves(stored)}
    if len(counts) > 1 or shape_of(prepared) != shape_of(stored):
        raise UserError(
            f"data {name!r}: prepare() makes {shape_text(shape_of(prepared))} of"
            f" {shape_text(shape_of(stored))}: store samples in the shape that the network takes"
        )
