"""Import of torchvision beside a PyTorch that its wheel was not built for.

torchvision's compiled operators do not load beside a CPU-only PyTorch, and its import then fails on
two operators that it registers implementations for. Declaring these is enough for all of its Python
code: data sets, transforms and models.
"""

from __future__ import annotations

import importlib
import types

import torch

from optnas.errors import UserError

__all__ = ["torchvision"]

_DECLARED: list[torch.library.Library] = []

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def torchvision() -> types.ModuleType:
    """Import and return the ``torchvision`` package.

    Raises:
        UserError: If it is not installed.
    """
    try:
        return importlib.import_module("torchvision")
    except ModuleNotFoundError:
        raise UserError("torchvision is not installed: pip install torchvision") from None
    except RuntimeError as error:
        if "torchvision::" not in str(error) or _DECLARED:
            raise
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    _DECLARED.append(library)  # the declarations last as long as the library object
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    return importlib.import_module("torchvision")
