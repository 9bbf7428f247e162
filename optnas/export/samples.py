"""Raw samples to trace, check and calibrate with: of a study's data, or made up from a schema."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor

from optnas.data import Data
from optnas.data.data import Part
from optnas.data.schemas import Schema
from optnas.data.trees import Tree, joined, leaves, mapped
from optnas.errors import UserError
from optnas.space.shapes import numbers_in
from optnas.winner.model import Model

__all__ = ["RawBatches", "Samples", "as_exported", "largest_difference", "made_up", "of_part"]

# What rounding inputs to float32 may change outputs by: a tenth of what an export may differ by.
_ROUNDING = 1e-5
# Made-up samples that show it.
_SHOWING = 256
_BLOCK = 256
# Numbers of made-up samples together, 64 MB in float32; a graph is traced with two samples.
_MOST_VALUES, _LEAST = 2**24, 2


@dataclasses.dataclass(frozen=True, eq=False)
class Samples:
    """Raw inputs as a schema makes tensors of them, and where they are from.

    Attributes:
        inputs: The tensors (samples, …).
        told: What they are in words, such as ``"360 samples of the validation part"``.
    """

    inputs: Tree
    told: str


def made_up(schema: Schema, count: int, seed: int = 0) -> Samples:
    """Return random samples in the range of those that a network was trained on, of large ones fewer.

    Raises:
        UserError: If none can be made up for this kind of inputs.
    """
    count = min(count, max(_LEAST, _MOST_VALUES // max(1, numbers_in(schema.shape))))
    try:
        drawn = schema.drawn(count, torch.Generator().manual_seed(seed))
    except (MemoryError, RuntimeError) as error:
        raise UserError(f"no samples of the shape {schema.shape} can be made up: {error!s:.100}") from None
    if drawn is None:
        raise UserError(
            f"no samples can be made up for inputs of the kind {schema.kind!r}: give --data STUDY.py"
        )
    return Samples(drawn, f"{count} made-up samples")


def of_part(data: Data, part: str, most: int | None = None) -> Samples:
    """Return the first samples of a part of a study's data as they were before preparation.

    Args:
        data: The data that the network was trained on.
        part: ``train``, ``validation`` or ``test``.
        most: The largest number of samples; ``None`` for all.

    Raises:
        UserError: If they cannot be had any more, or there are none.
    """
    found, count = [], 0
    for inputs, _ in RawBatches(data, part):
        found.append(inputs)
        count += len(next(leaves(inputs)))
        if most is not None and count >= most:
            break
    if not found:
        raise UserError(f"data {data.name!r} has no sample in its {part} part")
    inputs = joined(found)
    if most is not None and count > most:
        inputs, count = mapped(lambda each: each[:most], inputs), most
    return Samples(inputs, f"{count} samples of the {part} part")


class RawBatches:
    """A part of a study's data in batches, inputs as they were before preparation, for ``Task.evaluate``."""

    def __init__(self, data: Data, part: str) -> None:
        splits = data.splits
        self._schema, self._prepare = data.schema, splits.prepare
        self._part: Part = getattr(splits, part)
        self._name = data.name

    @property
    def targets(self) -> Tree:
        return self._part.y

    def __len__(self) -> int:
        return len(self._part)

    def __iter__(self) -> Iterator[tuple[Tree, Tree]]:
        if len(self._part) == 0:
            return
        for stored, targets in self._part.blocks(_BLOCK):
            inputs = self._schema.restored(stored, self._prepare)
            if inputs is None:
                raise UserError(
                    f"of the data {self._name!r} only what a network takes is kept, not what users have:"
                    " leave --data away"
                )
            yield inputs, targets


def as_exported(model: Model, samples: Samples) -> Samples:
    """Return samples in the types that an exported network takes.

    Whole numbers keep theirs, such as a picture's bytes. Other numbers are float32, which users and runtimes
    have, unless the network's outputs show the rounding: then they stay float64, as for large numbers of
    which only the last digits differ. That is tried on made-up samples wherever the schema has some, so that
    a network has the same types whatever it is compared on.
    """
    single = mapped(_single, samples.inputs)
    if _same_types(single, samples.inputs):
        return samples
    drawn = model.schema.drawn(_SHOWING, torch.Generator().manual_seed(0))
    tried = samples.inputs if drawn is None or _same_types(mapped(_single, drawn), drawn) else drawn
    with torch.inference_mode():
        exact, rounded = (list(leaves(model(inputs))) for inputs in (tried, mapped(_single, tried)))
    if largest_difference(rounded, exact) > _ROUNDING:
        return samples
    return dataclasses.replace(samples, inputs=single)


def _single(each: Tensor) -> Tensor:
    return each.float() if each.is_floating_point() else each


def _same_types(one: Tree, other: Tree) -> bool:
    return all(a.dtype == b.dtype for a, b in zip(leaves(one), leaves(other), strict=True))


def largest_difference(found: list[Tensor], expected: list[Tensor]) -> float:
    """Return the largest difference of outputs, as a share of the largest one where that is above 1.

    Infinite where one is NaN, or infinite, and the other is not; and where shapes differ.
    """
    largest = 0.0
    if len(found) != len(expected):
        return torch.inf
    for one, other in zip(found, expected, strict=True):
        if one.shape != other.shape:
            return torch.inf
        if one.numel() == 0:
            continue
        one, other = one.double(), other.double()
        same = (one == other) | (one.isnan() & other.isnan())
        apart = torch.where(same, 0.0, (one - other).abs()).nan_to_num(nan=torch.inf).max().item()
        finite = other[other.isfinite()]
        scale = max(1.0, finite.abs().max().item()) if len(finite) else 1.0
        largest = max(largest, apart / scale)
    return largest
