"""The size of a network's weights file."""

from __future__ import annotations

import json

import torch
from torch import nn

__all__ = ["file_size"]

# safetensors' names of the types, in the order in which it lays out tensors.
_DTYPES = {
    torch.uint64: "U64",
    torch.int64: "I64",
    torch.float64: "F64",
    torch.complex64: "C64",
    torch.float32: "F32",
    torch.uint32: "U32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.uint16: "U16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def file_size(module: nn.Module) -> int:
    """Return the bytes of ``module``'s state dict as a safetensors file: weights, buffers and header.

    The file is not written, and ``module`` may be on the meta device. Its layout is 8 bytes, the
    header as JSON filled up to a multiple of 8 bytes, and the tensors.
    """
    order = list(_DTYPES)
    tensors = sorted(module.state_dict().items(), key=lambda item: (order.index(item[1].dtype), item[0]))
    header, end = {}, 0
    for name, tensor in tensors:
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return 8 + -(-len(text) // 8) * 8 + end
