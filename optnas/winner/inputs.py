"""What a trained network takes, as its folder records it, and the layers that prepare it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from optnas.data import Data
from optnas.data.normalize import Normalize, Normalized, standardized
from optnas.data.several import Each
from optnas.data.trees import Tree
from optnas.errors import UserError
from optnas.space.shapes import AnyShape, Shapes, plain_shape

__all__ = ["Record", "given_shape", "input_record", "inputs_in", "preparation"]

Record = Mapping[str, Any]
"""``shape``, ``dtype``, ``axes`` and ``normalized_by`` of one input; of several ``shape`` and ``inputs``,
their records by name, or in a list as a tuple has them."""


def input_record(data: Data) -> dict[str, Any]:
    """Return the shape, type, order and normalisation (``None`` if there is none) of a network's inputs."""
    prepare: Any = data.splits.prepare
    shape = data.shape
    if not isinstance(shape, Shapes):
        return _one(prepare, shape, lambda: prepare(_first_sample(data)))
    x = _first_sample(data)
    if isinstance(prepare, Each):
        return {"shape": plain_shape(shape), "inputs": _each(prepare.by, shape, x)}
    return {"shape": plain_shape(shape), "inputs": _each(None, shape, prepare(x))}


def _first_sample(data: Data) -> Tree:
    return next(data.splits.train.blocks(1))[0]


def _each(by: Tree, shapes: Shapes, x: Tree) -> Any:
    """Return the records of several inputs, of which each is prepared by its function in ``by``."""
    if isinstance(x, Mapping):
        return {
            str(name): _any(None if by is None else by[name], shapes[name], each) for name, each in x.items()
        }
    return [_any(None if by is None else by[i], shapes[str(i)], each) for i, each in enumerate(x)]


def _any(by: Tree, shape: AnyShape, x: Tree) -> Any:
    if isinstance(shape, Shapes):
        return _each(by, shape, x)
    return _one(by, shape, lambda: x if by is None else by(x))


def _one(
    prepare: Callable[[Tensor], Tensor], shape: Sequence[int], made: Callable[[], Tensor]
) -> dict[str, Any]:
    figures = prepare.by if isinstance(prepare, Normalized) else prepare
    if isinstance(figures, Normalize):
        by = {"mean": figures.mean.tolist(), "deviation": figures.deviation.tolist()}
        axes = None if figures.axes is None else list(figures.axes)
        return {"shape": list(shape), "axes": axes, "dtype": "float32", "normalized_by": by}
    dtype = str(made().dtype).removeprefix("torch.")
    return {"shape": list(shape), "dtype": dtype, "normalized_by": None}


def inputs_in(record: Record) -> Iterator[tuple[tuple[str | int, ...], Record]]:
    """Yield the record of each input, with the keys by which it is taken from all inputs."""
    yield from _inputs_in(record.get("inputs", record), ())


def _inputs_in(found: Any, keys: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Record]]:
    if _is_one(found):
        yield keys, found
        return
    for key, each in found.items() if isinstance(found, Mapping) else enumerate(found):
        yield from _inputs_in(each, (*keys, key))


def _is_one(found: Any) -> bool:
    return isinstance(found, Mapping) and isinstance(found.get("dtype"), str)


def given_shape(record: Record) -> tuple[int, ...]:
    """Return the shape of an input before ``axes``, a permutation of batches, brings it to ``shape``."""
    shape, axes = record["shape"], record.get("axes")
    if axes is None:
        return tuple(shape)
    return tuple(shape[list(axes).index(axis) - 1] for axis in range(1, len(axes)))


def preparation(record: Record) -> nn.Module:
    """Return the layer that brings inputs as the data had them to what the network takes."""
    return _preparation(record.get("inputs", record))


def _preparation(found: Any) -> nn.Module:
    if _is_one(found):
        by = found["normalized_by"]
        return nn.Identity() if by is None else _Standardize(**by, axes=found.get("axes"))
    if isinstance(found, Mapping):
        return _PrepareEach(list(found), [_preparation(each) for each in found.values()])
    return _PrepareEach(None, [_preparation(each) for each in found])


class _Standardize(nn.Module):
    """Layer that brings inputs to the order that ops take, and to mean 0 and deviation 1."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: list[Any], deviation: list[Any], axes: list[int] | None) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64))
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float64))
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        return standardized(x if self.axes is None else x.permute(self.axes), self.mean, self.deviation)


class _PrepareEach(nn.Module):
    """Layer that prepares each of several inputs, in a dictionary by name or, without names, in a tuple."""

    def __init__(self, names: list[str] | None, layers: list[nn.Module]) -> None:
        super().__init__()
        self.names = names
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Any) -> Any:
        if self.names is None:
            if not isinstance(x, tuple | list) or len(x) != len(self.layers):
                raise UserError(f"the network takes {len(self.layers)} inputs in a tuple")
            return tuple(layer(each) for layer, each in zip(self.layers, x, strict=True))
        if not isinstance(x, Mapping) or set(x) != set(self.names):
            raise UserError(f"the network takes a dictionary of {', '.join(self.names)}")
        return {name: layer(x[name]) for name, layer in zip(self.names, self.layers, strict=True)}
