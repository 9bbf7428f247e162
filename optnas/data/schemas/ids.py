"""Ids: whole numbers that name something, such as users or words."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from optnas.data.arrays import as_ids
from optnas.data.schemas.array_files import array_pieces
from optnas.data.schemas.arrays import checked_shape
from optnas.data.schemas.schema import Piece, Record, Schema, UnfitSample
from optnas.data.trees import Tree
from optnas.errors import UserError

__all__ = ["Ids"]

# An embedding of more is in no memory.
_MOST_IDS = 2**40


@dataclasses.dataclass(frozen=True)
class Ids(Schema):
    """Whole numbers from 0 on that name something, such as users or words, for an embedding.

    Attributes:
        sizes: Shape of a sample: () for one id, or (length,).
        most: The largest one that the data had.
    """

    kind = "ids"

    sizes: tuple[int, ...]
    most: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sizes

    def record(self) -> dict[str, Any]:
        return {"shape": list(self.sizes), "most": self.most}

    @classmethod
    def of(cls, record: Record) -> Self:
        most = record["most"]
        if type(most) is not int or not 0 <= most < _MOST_IDS:
            raise ValueError(f"{most!r:.50} is no id")
        return cls(checked_shape(record["shape"]), most)

    def samples(self, given: Any) -> Any:
        ids = as_ids("inputs", [given] if isinstance(given, int) else given)
        if ids.shape == self.sizes:
            ids = ids[None]
        if ids.shape[1:] != self.sizes:
            raise UserError(f"the network takes ids {self._given}, not {ids.shape}")
        return ids

    def tensors(self, given: Any) -> Tensor:
        ids = self.samples(given)
        if (unknown := ids.reshape(len(ids), -1) > self.most).any():
            place = int(unknown.any(axis=1).argmax())
            raise UnfitSample(
                place,
                f"has the id {ids[place].max()}, and the network has learned those from 0 to {self.most}",
            )
        return torch.from_numpy(ids)

    def read_file(self, path: Path, size: int) -> Iterator[Piece]:
        return array_pieces(path, self.sizes, size)

    def preparation(self) -> nn.Module:
        return nn.Identity()

    def drawn(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randint(self.most + 1, (count, *self.sizes), generator=generator)

    def restored(self, stored: Tensor, prepare: Callable[[Tree], Tree]) -> Tensor:
        ids: Tensor = prepare(stored)
        return ids

    def told(self) -> str:
        return f"ids, whole numbers from 0 to {self.most}, of the shape {self._given}"

    @property
    def _given(self) -> str:
        return f"(samples{''.join(f', {size}' for size in self.sizes)})"

    def example(self) -> str:
        return f"np.zeros(({', '.join(map(str, (1, *self.sizes)))},), np.int64)"
