"""Arrays of numbers, as ``data.tensors`` takes them, and whatever a data set of one's own yields."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from optnas.data.normalize import Normalize, Normalized, standardized
from optnas.data.numbers import Array, as_numbers, unfit
from optnas.data.schemas.array_files import array_pieces
from optnas.data.schemas.json_numbers import as_number, as_tensor
from optnas.data.schemas.schema import Piece, Record, Schema, UnfitSample
from optnas.data.trees import Tree
from optnas.errors import UserError

__all__ = ["Arrays", "checked_length", "checked_shape"]

_DTYPES = (
    {"bool", "float16", "bfloat16", "float32", "float64"}
    | {"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "complex64", "complex128"}
)  # fmt: skip
# More sizes or larger ones are no sample's: a gigabyte in float32, and a sequence of a million positions.
_MOST_SIZES, _MOST_VALUES, _LONGEST = 16, 2**28, 2**20


@dataclasses.dataclass(frozen=True, eq=False)
class Arrays(Schema):
    """Arrays of numbers, before normalisation and in the layout that they came in.

    Attributes:
        sizes: Shape of a sample as the network takes it.
        dtype: Name of PyTorch's type of the inputs as they came, or of what the network takes if nothing is
            normalised.
        figures: Their normalisation; ``None`` for what the network takes unchanged.
        span: The smallest and the largest number of the training part; ``None`` if they are not known.
    """

    kind = "array"

    sizes: tuple[int, ...]
    dtype: str = "float32"
    figures: Normalize | None = None
    span: tuple[float, float] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sizes

    @property
    def given(self) -> tuple[int, ...]:
        """Shape of a sample as it comes."""
        axes = None if self.figures is None else self.figures.axes
        if axes is None:
            return self.sizes
        return tuple(self.sizes[axes.index(axis) - 1] for axis in range(1, len(axes)))

    def record(self) -> dict[str, Any]:
        by = None
        if self.figures is not None:
            by = {"mean": self.figures.mean.tolist(), "deviation": self.figures.deviation.tolist()}
        return {
            "shape": list(self.sizes),
            "dtype": self.dtype,
            "axes": None if self.figures is None or self.figures.axes is None else list(self.figures.axes),
            "normalized_by": by,
            "span": None if self.span is None else list(self.span),
        }

    @classmethod
    def of(cls, record: Record) -> Self:
        sizes, dtype, by, span = (
            checked_shape(record["shape"]), record["dtype"], record["normalized_by"], record.get("span"),
        )  # fmt: skip
        if not isinstance(dtype, str) or dtype not in _DTYPES:
            raise ValueError(f"there is no type {dtype!r:.50} of numbers")
        if span is not None:
            low, high = map(as_number, span)
            if low > high:
                raise ValueError("a span is from a number to a larger one")
            span = (low, high)
        figures = None
        if by is not None:
            mean, deviation = (as_tensor(by[name], torch.float64) for name in ("mean", "deviation"))
            if not bool((deviation > 0).all()):
                raise ValueError("a deviation is not above 0")
            axes = record.get("axes")
            axes = None if axes is None else tuple(int(axis) for axis in axes)
            if axes is not None and sorted(axes) != list(range(len(sizes) + 1)):
                raise ValueError(f"{axes} is no order of the axes of inputs {sizes}")
            try:
                for each in (mean, deviation):
                    each.expand(1, *sizes)
            except RuntimeError:
                raise ValueError(f"the normalisation is not of inputs {sizes}") from None
            figures = Normalize(mean, deviation, axes)
        return cls(sizes, str(dtype), figures, span)

    def samples(self, given: Any) -> Any:
        array = self._numbers(given)
        if array.shape == self.given:
            array = array[None]
        if array.shape[1:] != self.given:
            raise UserError(
                f"the network takes inputs (samples, {', '.join(map(str, self.given))}), not {array.shape}"
            )
        return array

    def is_one(self, given: Any) -> bool:
        return hasattr(given, "shape") and tuple(given.shape) == self.given

    def _numbers(self, given: Any) -> Array:
        try:
            return as_numbers(given)
        except (TypeError, ValueError) as error:
            raise UserError(f"inputs must be numbers of one shape: {error}") from None

    def tensors(self, given: Any) -> Tensor:
        array = self.samples(given)
        if (found := unfit(array)) is not None:
            raise UnfitSample(*found)
        self._refuse_scaled(array)
        if self.figures is None:
            return torch.from_numpy(_own(array)).to(getattr(torch, self.dtype))
        exact = array if array.dtype.kind in "iu" else array.astype(np.float64)
        if exact.dtype in (np.uint16, np.uint32, np.uint64):  # of which PyTorch computes nothing
            exact = exact.astype(np.int64)
        return torch.from_numpy(_own(exact))

    def _refuse_scaled(self, array: Array) -> None:
        """Raise if whole numbers were brought to 0 to 1: nothing else shows that a picture's bytes were."""
        if self.span is None or array.dtype.kind != "f" or not self._whole or self.span[1] < 16:
            return
        low, high = float(array.min()), float(array.max())
        if low >= 0 and 0 < high <= 1:
            raise UserError(
                f"inputs are from {low:.3g} to {high:.3g}, and the network was trained on whole numbers from"
                f" {self.span[0]:.0f} to {self.span[1]:.0f}: give them as they were, such as"
                f" x * {self.span[1]:.0f}"
            )

    @property
    def _whole(self) -> bool:
        dtype: torch.dtype = getattr(torch, self.dtype)
        return not (dtype.is_floating_point or dtype.is_complex)

    def read_file(self, path: Path, size: int) -> Iterator[Piece]:
        return array_pieces(path, self.given, size)

    def preparation(self) -> nn.Module:
        return nn.Identity() if self.figures is None else Standardize(self.figures)

    def drawn(self, count: int, generator: torch.Generator) -> Tensor:
        dtype = getattr(torch, self.dtype)
        x = torch.randn(count, *self.sizes, generator=generator, dtype=torch.float64)
        if self.figures is not None:
            x = self._as_given(x * self.figures.deviation + self.figures.mean)
        if self.span is not None:
            x = x.clamp(*self.span)
        if self._whole:
            return self._fitting(x.round(), dtype)
        return x if self.figures is not None else x.to(dtype)

    def restored(self, stored: Tensor, prepare: Callable[[Tree], Tree]) -> Tensor | None:
        if self.figures is None:
            x: Tensor = prepare(stored)
            return x
        if isinstance(prepare, Normalize):
            return self._as_given(stored)
        if not isinstance(prepare, Normalized):
            return None
        x = self._as_given(stored.double() * self.figures.deviation + self.figures.mean)
        return self._fitting(x.round(), getattr(torch, self.dtype)) if self._whole else x

    def _as_given(self, x: Tensor) -> Tensor:
        """Return samples in the layout that they came in."""
        axes = None if self.figures is None else self.figures.axes
        return x if axes is None else x.permute([axes.index(axis) for axis in range(len(axes))]).contiguous()

    @staticmethod
    def _fitting(x: Tensor, dtype: torch.dtype) -> Tensor:
        if dtype is torch.bool:
            return x != 0
        info = torch.iinfo(dtype)
        return x.clamp(info.min, info.max).to(dtype)

    def unprepared(self, x: Tensor) -> Any:
        """Return normalised samples in the unit and layout of given ones, whole numbers in their range."""
        x = x.double()
        if self.figures is not None:
            x = self._as_given(x * self.figures.deviation + self.figures.mean)
        if not self._whole:
            return x.to(getattr(torch, self.dtype)).numpy()
        x = x.round() if self.span is None else x.round().clamp(*self.span)
        return self._fitting(x, getattr(torch, self.dtype)).numpy()

    def told(self) -> str:
        what = "whole numbers" if self._whole else "numbers"
        span = "" if self.span is None else f" from {self.span[0]:.6g} to {self.span[1]:.6g}"
        how = "as the network takes them" if self.figures is None else "not normalised: the model does that"
        return f"arrays of the shape (samples, {', '.join(map(str, self.given))}) of {what}{span}, {how}"

    def example(self) -> str:
        dtype = f"np.{self.dtype}" if hasattr(np, self.dtype) else "np.float32"
        return f"np.zeros(({', '.join(map(str, (1, *self.given)))}), {dtype})"


class Standardize(nn.Module):
    """Layer that brings inputs to the order that ops take, and to mean 0 and deviation 1."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, figures: Normalize) -> None:
        super().__init__()
        self.register_buffer("mean", figures.mean.clone())
        self.register_buffer("deviation", figures.deviation.clone())
        self.axes = figures.axes

    def forward(self, x: Tensor) -> Tensor:
        return standardized(x if self.axes is None else x.permute(self.axes), self.mean, self.deviation)


def _own(array: Array) -> Array:
    """Return an array in order that PyTorch may write to, unlike one of a file."""
    return np.require(array, requirements=["C", "W"])


def checked_shape(sizes: Any) -> tuple[int, ...]:
    """Return the shape of a sample as JSON has it.

    Raises:
        ValueError: If it is none, or so large that no sample has it.
    """
    shape = tuple(sizes)
    if not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in shape):
        raise ValueError(f"{sizes!r} is no shape of a sample")
    if len(shape) > _MOST_SIZES or math.prod(shape) > _MOST_VALUES:
        raise ValueError("a sample is too large to be one")
    return shape


def checked_length(length: Any) -> int:
    """Return the length of the sequences that a network takes as JSON has it.

    It alone says how much memory a text of a few characters takes.

    Raises:
        ValueError: If it is none, or more than any network has.
    """
    (found,) = checked_shape([length])
    if found > _LONGEST:
        raise ValueError(f"sequences of {found:,} positions are too long to be any")
    return found
