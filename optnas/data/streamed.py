"""Parts of data sets that are larger than memory, read in the background for every epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from optnas.data.reader import Reader
from optnas.errors import UserError

__all__ = ["Streamed"]


@dataclasses.dataclass(frozen=True)
class Streamed:
    """A part of a data set that background processes read ahead, into pinned memory for a GPU.

    Attributes:
        reader: Reader of the whole data set.
        indices: Indices there of this part's samples, shape (samples,).
        y: Their targets, on the part's device.
        readers: Number of processes that read; with 0 this process reads.
    """

    reader: Reader
    indices: Tensor
    y: Tensor
    readers: int

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.reader.first.shape)

    def to(self, device: torch.device) -> Streamed:
        return dataclasses.replace(self, y=self.y.to(device))

    def blocks(self, size: int, order: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        chosen = torch.split(torch.arange(len(self)) if order is None else order, size)
        device = self.y.device
        loader: DataLoader[Tensor | UserError] = DataLoader(
            _Blocks(self.reader),
            sampler=[self.indices[part].tolist() for part in chosen],
            batch_size=None,
            num_workers=min(self.readers, len(chosen)),
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),  # else it would draw from the training's generator
        )
        for part, x in zip(chosen, loader, strict=True):
            if isinstance(x, UserError):
                raise x
            yield x.to(device, non_blocking=True), self.y[part.to(device)]


class _Blocks(Dataset[Tensor | UserError]):
    """Data set whose items are blocks of samples, by the list of their indices."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __getitem__(self, indices: list[int]) -> Tensor | UserError:
        try:
            return self._reader.read(indices)
        except UserError as error:
            # Raised in another process, its message would arrive with a traceback in it.
            return error
