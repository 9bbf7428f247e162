"""Arrays of one tensor or several: inputs stored for a network, targets for a loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, get_args

import numpy as np
import torch
from torch import Tensor

from optnas.data import positions
from optnas.data.arrays import InputKind, Kind, as_ids, as_inputs, as_raw, as_targets, classes_in
from optnas.data.checked import check_names
from optnas.data.labels import class_names
from optnas.data.layout import Layout, argument, network_axes
from optnas.data.normalize import Each, Normalize, Normalized, normalized
from optnas.data.numbers import Array, as_array, refuse_far
from optnas.data.schemas import Arrays, Ids, Schema, Several, Target
from optnas.data.trees import Tree, leaves, mapped
from optnas.errors import UserError

__all__ = ["Inputs", "as_arrays", "positions_in", "targets_of"]

_Value = TypeVar("_Value")
_KINDS = get_args(InputKind)


class Inputs:
    """Checked inputs of a data set, not yet normalised.

    Args:
        name: Name of the data, for error messages.
        x: An array, or several in a dictionary by name or a tuple.
        kinds: The kind of all, or of each by name; those that are not named are numbers.
        layout: Where they have their channels or features, likewise.

    Raises:
        UserError: If they are not what they are said to be, or differ in their number of samples.
    """

    def __init__(
        self,
        name: str,
        x: Any,
        kinds: InputKind | Mapping[str, InputKind],
        layout: Layout | Mapping[str, Layout],
    ) -> None:
        self._name = name
        check_names(f"data {name!r}: x", x, nested=False)
        places = _places(x)
        self._kinds = _each(name, "kinds", kinds, places, "numbers")
        layouts = _each(name, "layout", layout, places, "auto")
        for kind in leaves(self._kinds):
            if kind not in _KINDS:
                raise UserError(f"data {name!r}: kinds={kind!r} must be 'numbers', 'raw' or 'ids'")
        self._places = places
        self._arrays = mapped(self._checked, x, self._kinds, layouts, places)
        counts = {len(each.array) for each in leaves(self._arrays)}
        if len(counts) > 1:
            raise UserError(f"data {name!r}: the inputs have {sorted(counts)} samples: give as many of each")
        (self.count,) = counts

    def _checked(self, x: Any, kind: InputKind, layout: Layout, place: str) -> _Checked:
        with _naming(self._name, place):
            if kind == "ids":
                return _Checked(as_ids(self._name, x), None)
            array = as_raw(self._name, x) if kind == "raw" else as_inputs(self._name, x)
            if kind == "raw" and layout == "auto":
                return _Checked(array, None)
            also = f"; or a matrix that is to stay as it is ({argument('kinds', 'raw', place)})"
            return _Checked(array, network_axes(self._name, array.shape, layout, place, also))

    def stored(self, train: Array) -> tuple[Tree, Callable[[Tree], Tree], Schema]:
        """Return the tensors to store, the function that prepares them for a network, and their schema.

        Args:
            train: The indices of the training part, by which numbers are normalised.
        """
        found = mapped(
            lambda checked, kind, place: self._normalised(checked, kind, place, train),
            self._arrays,
            self._kinds,
            self._places,
        )
        if isinstance(found, _Stored):
            return found.tensor, found.prepare, found.schema
        return (
            mapped(lambda each: each.tensor, found),
            Each(mapped(lambda each: each.prepare, found)),
            _several_of(mapped(lambda each: each.schema, found)),
        )

    def _normalised(self, checked: _Checked, kind: InputKind, place: str, train: Array) -> _Stored:
        if kind == "ids":
            ids = Ids(checked.array.shape[1:], int(checked.array.max()))
            return _Stored(torch.from_numpy(checked.array), _as_it_is, ids)
        if kind == "raw":
            axes = checked.axes
            array = checked.array if axes is None else checked.array.transpose(axes)
            ordered = None if axes is None else _only_ordered(axes)
            tensor = torch.from_numpy(np.ascontiguousarray(array))
            return _Stored(tensor, _as_it_is, _schema(checked, ordered, train))
        tensor, prepare = normalized(checked.array, train, checked.axes)
        if tensor.is_floating_point():
            with _naming(self._name, place):
                refuse_far(self._name, tensor, "sample {}".format)
        figures = prepare.by if isinstance(prepare, Normalized) else prepare
        return _Stored(tensor, prepare, _schema(checked, figures, train))


@contextmanager
def _naming(name: str, place: str, what: str = "input") -> Iterator[None]:
    """Name one of several inputs or targets in the error of it."""
    try:
        yield
    except UserError as error:
        if not place:
            raise
        said = str(error).removeprefix(f"data {name!r}: ")
        raise UserError(f"data {name!r}: {what} {place!r}: {said}") from None


def _only_ordered(axes: tuple[int, ...]) -> Normalize:
    """Return the normalisation that changes no number, and only brings axes to the order that ops take."""
    one = torch.ones((1,) * len(axes), dtype=torch.float64)
    return Normalize(one - 1, one, axes)


@dataclasses.dataclass(frozen=True, eq=False)
class _Checked:
    array: Array
    axes: tuple[int, ...] | None


@dataclasses.dataclass(frozen=True, eq=False)
class _Stored:
    tensor: Tensor
    prepare: Callable[[Tensor], Tensor]
    schema: Schema


def _schema(checked: _Checked, figures: Any, train: Array) -> Arrays:
    array = checked.array
    shape = array.shape if checked.axes is None else tuple(array.shape[axis] for axis in checked.axes)
    used = array[train]
    dtype = str(array.dtype) if array.dtype.kind in "iu" else "float32"
    return Arrays(tuple(shape[1:]), dtype, figures, (float(used.min()), float(used.max())))


def _several_of(schemas: Tree) -> Schema:
    if isinstance(schemas, Schema):
        return schemas
    named = isinstance(schemas, Mapping)
    each = schemas.items() if named else enumerate(schemas)
    return Several({str(key): _several_of(schema) for key, schema in each}, named)


def _as_it_is(x: Tensor) -> Tensor:
    return x


def as_arrays(x: Any, y: Any) -> tuple[Tree, Tree]:
    """Return inputs and targets with a tuple only where it has several tensors, not one of each sample.

    A tuple is what ``zip(*samples)`` returns, too; it has several tensors if all are arrays with as many rows
    as the other side has samples.
    """
    return _several(x, y), _several(y, x)


def _several(given: Any, other: Any) -> Any:
    if not isinstance(given, tuple):
        return given
    rows = {_rows(each) for each in given}
    beside = {_rows(each) for each in other} if isinstance(other, tuple) else {_rows(_any(other))}
    is_several = len(rows) == 1 and None not in rows and (rows == beside or isinstance(_any(other), Mapping))
    return given if is_several else list(given)


def _any(given: Any) -> Any:
    """Return one of several by name; anything else as it is."""
    return next(iter(given.values()), None) if isinstance(given, Mapping) else given


def _rows(given: Any) -> int | None:
    shape = getattr(given, "shape", None)
    return int(shape[0]) if shape is not None and len(shape) else None


def targets_of(
    name: str, y: Any, count: int, kind: Kind | Mapping[str, Kind]
) -> tuple[Tree, Array | None, Target | Mapping[str, Target]]:
    """Return checked targets, the class of each sample if they are one tensor of these, and their names.

    Raises:
        UserError: If they are not what they are said to be.
    """
    check_names(f"data {name!r}: y", y, nested=False)

    def checked(array: Any, of: Kind, place: str) -> Array:
        with _naming(name, place, "target"):
            return as_targets(name, array, count, of)

    targets = mapped(checked, y, _kinds_of(name, y, kind), _places(y))
    named = mapped(_target, y, targets, _places(y))
    if isinstance(targets, Mapping | tuple):
        return targets, None, {target.name: target for target in leaves(named)}
    return targets, classes_in(targets), named


def _target(given: Any, found: Array, place: str) -> Target:
    names = class_names(as_array(given)) if found.dtype == np.int64 else None
    return Target(place, () if names is None else tuple(map(str, names)))


def positions_in(name: str, y: Any, kind: Kind | Mapping[str, Kind]) -> Tree:
    """Return the kind of each target that is said to be positions in an image, ``None`` for the others.

    Raises:
        UserError: If ``kind`` names a target that there is not.
    """
    return mapped(lambda _, of: of if of in positions.KINDS else None, y, _kinds_of(name, y, kind))


def _kinds_of(name: str, y: Any, kind: Kind | Mapping[str, Kind]) -> Tree:
    return _each(name, "targets", kind, _places(y), "auto")


def _places(given: Any) -> Tree:
    """Return the tree of ``given`` with the name of each array in its place."""
    if isinstance(given, Mapping):
        return {name: str(name) for name in given}
    return tuple(map(str, range(len(given)))) if isinstance(given, tuple) else ""


def _each(name: str, argument: str, given: Any, places: Tree, usual: _Value) -> Tree:
    """Return the value of an argument for each array: one for all, or by name."""
    if not isinstance(given, Mapping):
        return mapped(lambda _: given, places)
    known = set(leaves(places))
    for wrong in given.keys() - known:
        among = ", ".join(sorted(known - {""})) or "one tensor"
        raise UserError(f"data {name!r}: {argument}= names {wrong!r}, and there is {among}")
    return mapped(lambda place: given.get(place, usual), places)
