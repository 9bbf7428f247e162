"""Parts of data sets that are larger than memory, read in the background for every epoch."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from optnas.data.normalize import Normalize
from optnas.data.reader import Reader
from optnas.data.sending import sent
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
        figures: The normalisation, by which no input may be too large; ``None`` while it is not known.
    """

    reader: Reader
    indices: Tensor
    y: Tensor
    readers: int
    figures: Normalize | None = None

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
        workers = min(self.readers, len(chosen))
        # Of each worker: its process, and the sample that it reads.
        reading = torch.zeros(workers, 2, dtype=torch.int64)
        reading.share_memory_()  # type: ignore[no-untyped-call]
        loader: DataLoader[Tensor | UserError] = DataLoader(
            _Blocks(self.reader, self.figures, reading),
            sampler=[self.indices[part].tolist() for part in chosen],
            batch_size=None,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),  # else it would draw from the training's generator
        )
        for part, x in zip(chosen, self._survived(iter(loader), reading), strict=True):
            if isinstance(x, UserError):
                raise x
            yield x.to(device, non_blocking=True), self.y[sent(part, device)]

    def _survived(
        self, blocks: Iterator[Tensor | UserError], reading: Tensor
    ) -> Iterator[Tensor | UserError]:
        """Yield ``blocks``.

        Raises:
            UserError: If a process that reads has ended, with the sample that it was reading.
        """
        try:
            yield from blocks
        except RuntimeError as error:
            ended = re.findall(r"pid\(?s?\)? ([\d, ]+)", str(error))
            if not ended:
                raise
            pids = [int(pid) for pid in ended[0].split(",")]
            at = [self.reader.where(int(sample)) for pid, sample in reading if int(pid) in pids]
            reason = str(error).strip().splitlines()[0].rstrip(". ")
            raise UserError(
                f"data {self.reader.name!r}: a process that reads ahead has ended at"
                f" {at[0] if at else 'its start'} ({reason}): look at what reads it, and whether there is"
                f" memory for readers={self.readers}"
            ) from error


class _Blocks(Dataset[Tensor | UserError]):
    """Data set whose items are blocks of samples, by the list of their indices."""

    def __init__(self, reader: Reader, figures: Normalize | None, reading: Tensor) -> None:
        self._reader = reader
        self._figures = figures
        self._reading = reading

    def __getitem__(self, indices: list[int]) -> Tensor | UserError:
        try:
            block = self._reader.read(indices, self._sample())
            if self._figures is not None:
                self._reader.refuse_far(block, indices, self._figures)
        except UserError as error:
            # Raised in another process, its message would arrive with a traceback in it.
            return error
        return block

    def _sample(self) -> Tensor | None:
        """Return where this process notes which sample it reads; ``None`` if it is no worker."""
        worker = get_worker_info()
        if worker is None:
            return None
        self._reading[worker.id, 0] = os.getpid()
        return self._reading[worker.id, 1]
