"""Converts the state of someone's own code to what a checkpoint can hold, and back without loss.

A checkpoint is JSON with tensors: its keys are strings, and it has lists but no tuples. An optimiser's state
has numbers for keys and tuples for values, and would not be found again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optnas.errors import UserError

__all__ = ["TENSOR", "from_plain", "to_plain"]

TENSOR = "tensor:"
"""How a text begins that stands in a checkpoint for a tensor."""

_KIND, _DICT, _TUPLE, _TEXT = "kind", "dict", "tuple", "text"


def to_plain(value: Any, where: str = "") -> Any:
    """Return a value as lists, dictionaries with texts for keys, tensors, numbers, texts and ``None``.

    Raises:
        UserError: If it holds anything else, such as an object or an array of NumPy.
    """
    if isinstance(value, Tensor):
        return _storable(value, where)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        # Written apart, as a text may look like what a checkpoint writes in a tensor's place.
        return {_KIND: _TEXT, "items": list(value)} if value.startswith(TENSOR) else value
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):
        return [to_plain(each, f"{where}[{i}]") for i, each in enumerate(value)]
    if isinstance(value, tuple):
        return {_KIND: _TUPLE, "items": [to_plain(each, f"{where}[{i}]") for i, each in enumerate(value)]}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, int | str):
                raise UserError(f"state_dict(){where}: the key {key!r:.60} is neither a text nor a number")
        pairs = [[key, to_plain(each, f"{where}[{key!r}]")] for key, each in value.items()]
        return {_KIND: _DICT, "items": pairs}
    raise UserError(
        f"state_dict(){where} is a {type(value).__name__}, which no checkpoint can hold: give tensors,"
        " numbers, texts, and lists, tuples and dictionaries of them"
    )


def _storable(tensor: Tensor, where: str) -> Tensor:
    known = tensor.dtype not in (torch.complex128, torch.complex32) and not tensor.is_quantized
    if tensor.is_nested or tensor.layout != torch.strided or tensor.is_meta or not known:
        kind = "on meta" if tensor.is_meta else f"{tensor.dtype}, {tensor.layout}"
        raise UserError(
            f"state_dict(){where} is a tensor that no checkpoint can hold ({kind}): give a dense one"
        )
    return tensor


def from_plain(value: Any) -> Any:
    """Return the value of which :func:`to_plain` made ``value``.

    Raises:
        ValueError: If it made no such value.
    """
    if isinstance(value, list):
        return [from_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get(_KIND) == _TEXT:
        return "".join(value["items"])
    if value.get(_KIND) == _TUPLE:
        return tuple(from_plain(each) for each in value["items"])
    if value.get(_KIND) == _DICT:
        return {key: from_plain(each) for key, each in value["items"]}
    raise ValueError("it holds no state of a step")
