"""The size of a network's weights file."""

from __future__ import annotations

import torch
from safetensors.torch import save
from torch import nn

__all__ = ["file_size"]


def file_size(module: nn.Module) -> int:
    """Return the bytes of ``module``'s state dict as a safetensors file: weights, buffers and header.

    ``module`` may be on the meta device: what counts are names, types and shapes.
    """
    state = module.state_dict().items()
    return len(
        save({name: torch.zeros(tensor.shape, dtype=tensor.dtype, device="cpu") for name, tensor in state})
    )
