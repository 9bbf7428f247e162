"""Training what does not fit in memory at once, or finding that it never will."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from optnas.train.place import Place

__all__ = ["OutOfMemory", "in_pieces", "is_out_of_memory"]

Result = TypeVar("Result")

# Of memory that ran out elsewhere than in PyTorch's allocator of a GPU: in its allocator of the CPU,
# where CUDA itself needs some, and in the libraries, as CUBLAS_STATUS_ALLOC_FAILED.
_SIGNS = ("DefaultCPUAllocator", "CUDA error: out of memory", "_ALLOC_FAILED")


class OutOfMemory(MemoryError):
    """Even a training on two samples at a time does not fit."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether ``error`` says that memory ran out, of a GPU or of the machine."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def in_pieces(
    train: Callable[[int], Result], batch_size: int, device: torch.device, place: Place
) -> tuple[Result, int]:
    """Train with ever smaller pieces of a batch at a time until memory holds them.

    First once more with whole batches, alone in the place, as the memory may have been another's; then,
    still alone, by halves, quarters and so on down to pairs of samples, whose gradients are summed up.
    (Batch norms then see pieces: their statistics need two samples at least.)

    Args:
        train: Trains from the start with batches in so many pieces.
        batch_size: Samples in a batch.
        device: Where.
        place: The training's place on it.

    Returns:
        What ``train`` returned, and in how many pieces the batches were.

    Raises:
        OutOfMemory: If it does not fit however small the pieces are; the message tells the peak.
    """
    pieces, tries = 1, 0
    while True:
        try:
            return train(pieces), pieces
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        peak = _free(device)
        place.alone()
        tries += 1
        if tries > 1:
            if 2 * pieces > batch_size // 2:
                raise OutOfMemory(f"out of memory on {device}, even with batches in {pieces} pieces{peak}")
            pieces *= 2


def _free(device: torch.device) -> str:
    """Give back what a failed training held, and return how much that was at its peak, in words."""
    gc.collect()
    if device.type != "cuda":
        return ""
    peak = torch.cuda.max_memory_allocated(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return f" ({peak / 2**30:.1f} GiB at the peak)"
