"""Weights of strangers: read only if they are those of the architecture, and within bounded memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

__all__ = ["read_weights"]

# A file begins with the length of its header, a little-endian number of so many bytes.
_LENGTH_BYTES = 8
# Far more than the header says of one tensor, beside its name, and in its metadata. The parser takes a
# hundred times the memory of a header, and seconds for one of millions of names.
_ENTRY_BYTES, _METADATA_BYTES = 256, 2**16
# Of a character of a name as JSON may have it.
_MOST_ESCAPED = 6


def read_weights(path: Path, module: nn.Module) -> dict[str, Tensor]:
    """Return the weights in a safetensors file by their names.

    Args:
        path: Path of the file.
        module: A network that they must fit: by names, shapes and types. It may be on the device ``meta``.

    Raises:
        ValueError: If they do not, or are no finite numbers.
        SafetensorError, OSError: If it is no such file, or cannot be read.
    """
    expected = module.state_dict()
    _check_header(path, expected)
    found = {}
    with safe_open(path, framework="pt") as file:
        for name in sorted(set(file.keys()) ^ expected.keys()):
            raise ValueError(f"the weights {name!r:.80} are not those of the architecture")
        for name, like in expected.items():
            if tuple(file.get_slice(name).get_shape()) != tuple(like.shape):
                raise ValueError(f"the weights {name!r:.80} are not those of the architecture")
        for name, like in expected.items():
            found[name] = file.get_tensor(name)
            if found[name].dtype != like.dtype:
                raise ValueError(f"the weights {name!r:.80} are of {found[name].dtype}, not of {like.dtype}")
    _check_finite(found, {name for name, _ in module.named_parameters()})
    return found


def _check_header(path: Path, expected: Mapping[str, Tensor]) -> None:
    """Raise ``ValueError`` if a file's header is longer than that of such weights can be."""
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"{path.name} is no file")
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    names = sum(_ENTRY_BYTES + _MOST_ESCAPED * len(name.encode()) for name in expected)
    if length > names + _METADATA_BYTES:
        raise ValueError(f"the header of {path.name} has {length:,} bytes, more than any of such weights")


def _check_finite(weights: Mapping[str, Tensor], learned: set[str]) -> None:
    """Raise ``ValueError`` if weights are no numbers; buffers, such as masks, may hold infinite ones."""
    for name, each in weights.items():
        if not bool((torch.isfinite(each) if name in learned else ~torch.isnan(each)).all()):
            raise ValueError(f"the weights {name!r:.80} hold numbers that are none, or infinite")
