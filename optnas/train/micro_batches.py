"""Training in micro-batches when whole batches do not fit in memory."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from optnas.train.device_share import Place
from optnas.train.task import Task

__all__ = ["OutOfMemory", "in_pieces", "is_out_of_memory"]

Result = TypeVar("Result")

# Signs, in error messages, that memory ran out elsewhere than in PyTorch's GPU allocator: in its CPU
# allocator, in CUDA itself, and in the libraries, as CUBLAS_STATUS_ALLOC_FAILED.
_SIGNS = ("DefaultCPUAllocator", "CUDA error: out of memory", "_ALLOC_FAILED")


class OutOfMemory(MemoryError):
    """Error raised when a training does not fit in memory even with two samples at a time."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether ``error`` says that memory ran out, on a GPU or on the machine."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def in_pieces(
    train: Callable[[int], Result],
    batch_size: int,
    device: torch.device,
    place: Place,
    task: Task | None = None,
) -> tuple[Result, int]:
    """Train with ever smaller micro-batches until they fit in memory.

    After a first failure whole batches are tried once more, with exclusive use of the device, as other
    trainings may have held the memory. Then, still exclusively, batches are split into halves, quarters
    and so on, down to pairs of samples; their gradients are summed. (Batch norms then see micro-batches:
    their statistics need two samples at least.)

    Args:
        train: Trains with batches split into that many micro-batches; called anew after a failure.
        batch_size: The number of samples in a batch.
        device: The device that ``train`` trains on.
        place: The training's place on the device, which can be made exclusive.
        task: The task; one with ``whole_batches`` is evaluated in pieces, and not trained in them.

    Returns:
        The result of ``train``, and the number of micro-batches that each batch was split into.

    Raises:
        OutOfMemory: If it does not fit however small the micro-batches are; the message tells the peak.
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
                told = f"even with batches in {pieces} pieces{peak}"
                if task is not None and task.whole_batches:
                    told = f"and {type(task).__name__} needs whole batches{peak}: try a smaller batch_size"
                raise OutOfMemory(f"out of memory on {device}, {told}")
            pieces *= 2


def _free(device: torch.device) -> str:
    """Free the memory of a failed training, and return its peak on a GPU, in words."""
    gc.collect()
    if device.type != "cuda":
        return ""
    peak = torch.cuda.max_memory_allocated(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return f" ({peak / 2**30:.1f} GiB at the peak)"
