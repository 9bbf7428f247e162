"""How large a network's file is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["file_size"]

# How safetensors writes the types that are not called by a letter and their bits.
_DTYPES = {"bool": "BOOL", "bfloat16": "BF16", "uint8": "U8"}


def file_size(module: nn.Module) -> int:
    """Return the bytes of the safetensors file of ``module``'s state dict: weights, buffers and header.

    The file is not written, and ``module`` may be on the meta device. Its layout is 8 bytes, the
    header as JSON filled up to a multiple of 8 bytes, and the tensors.
    """
    header: dict[str, object] = {}
    end = 0
    # By type and then by name, as safetensors sorts them: the offsets' digits are part of the size.
    for name, tensor in sorted(module.state_dict().items(), key=_order):
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _dtype(tensor), "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return 8 + -(-len(text) // 8) * 8 + end


def _order(item: tuple[str, Tensor]) -> tuple[int, str]:
    name, tensor = item
    return -tensor.element_size(), name


def _dtype(tensor: Tensor) -> str:
    name = str(tensor.dtype).removeprefix("torch.")
    return _DTYPES.get(name) or name[0].upper() + name.lstrip("abcdefghijklmnopqrstuvwxyz")
