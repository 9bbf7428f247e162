"""Copies of tensors from the CPU to a device."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["sent"]


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on ``device``; from the CPU to CUDA it is copied without waiting for the GPU.

    For a copy from memory that is not pinned, PyTorch waits until it is done, and with it all that was
    launched before: the GPU then idles until Python has launched more.
    """
    if device.type == "cuda" and tensor.device.type == "cpu":
        # PyTorch gives the pinned memory away again only once the copy is done.
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
