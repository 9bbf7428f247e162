"""Noise that a generator makes samples of: what its users give is how many they want."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from optnas.data.schemas.arrays import checked_shape
from optnas.data.schemas.schema import Record, Schema
from optnas.data.trees import Tree
from optnas.errors import UserError, check_whole
from optnas.space.shapes import AnyShape, Shapes

__all__ = ["Noise", "generator"]

_MOST_LEVELS = 1_000_000


@dataclasses.dataclass(frozen=True)
class Noise(Schema):
    """Random numbers of mean 0 and deviation 1, of which a generator makes samples.

    Users give the number of samples that they want; ``predict(9, seed=1)`` draws others than seed 0. A sample
    is the same whatever the batch.

    Attributes:
        sizes: Shape of the noise of a sample.
        levels: Levels of noise of a diffusion, whose network takes the noise as ``x`` and the level as ``t``;
            ``None`` if it takes noise alone.
    """

    kind = "noise"
    options = ("seed",)

    sizes: tuple[int, ...]
    levels: int | None = None

    @property
    def shape(self) -> AnyShape:
        return self.sizes if self.levels is None else Shapes({"x": self.sizes, "t": ()})

    def record(self) -> dict[str, Any]:
        return {"shape": list(self.sizes), "levels": self.levels}

    @classmethod
    def of(cls, record: Record) -> Self:
        levels = record["levels"]
        if levels is not None and not (isinstance(levels, int) and 1 < levels <= _MOST_LEVELS):
            raise ValueError(f"{levels!r} is no number of levels of noise")
        return cls(checked_shape(record["shape"]), levels)

    def samples(self, given: Any, *, seed: int = 0) -> range:
        """Return the numbers of the samples, from which their random numbers follow."""
        if not isinstance(given, int) or isinstance(given, bool) or given < 1:
            raise UserError(f"give how many samples to make, a whole number from 1 on, not {given!r:.60}")
        check_whole("predict", 0, 2**31 - 1, seed=seed)
        return range(given)

    def batches(self, given: Any, size: int, **options: Any) -> Iterator[Tree]:
        numbers = self.samples(given, **options)
        for start in range(0, len(numbers), size):
            yield self._drawn(numbers[start : start + size], **options)

    def tensors(self, given: Any) -> Tree:
        return self._drawn(self.samples(given))

    def _drawn(self, numbers: range, seed: int = 0) -> Tree:
        noise = torch.stack([torch.randn(self.sizes, generator=generator(seed, each)) for each in numbers])
        if self.levels is None:
            return noise
        return {"x": noise, "t": torch.full((len(noise),), self.levels - 1, dtype=torch.int32)}

    def preparation(self) -> nn.Module:
        return nn.Identity()

    def drawn(self, count: int, generator: torch.Generator) -> Tree:
        noise = torch.randn(count, *self.sizes, generator=generator)
        if self.levels is None:
            return noise
        levels = torch.randint(self.levels, (count,), generator=generator, dtype=torch.int32)
        return {"x": noise, "t": levels}

    def restored(self, stored: Tree, prepare: Callable[[Tree], Tree]) -> Tree:
        return prepare(stored)

    def told(self) -> str:
        return "the number of samples to make, such as predict(9), whose random numbers have a seed=…"

    def example(self) -> str:
        return "4"


def generator(seed: int, number: int) -> torch.Generator:
    """Return the random numbers of the sample with that number."""
    # PyTorch's generator goes by 32 bits of its seed alone.
    (mixed,) = np.random.SeedSequence([seed, number]).generate_state(1)
    return torch.Generator().manual_seed(int(mixed))
