"""Import of torchmetrics only when the first metric needs it, as that takes seconds."""

from __future__ import annotations

import contextlib
import importlib
import types

from optnas.data._torchvision import torchvision

__all__ = ["torchmetrics"]


def torchmetrics(part: str = "functional") -> types.ModuleType:
    """Return a package of torchmetrics: ``functional``, or one with classes of metrics."""
    with contextlib.suppress(ImportError):
        torchvision()  # torchmetrics imports it if installed; this way also works with a CPU-only PyTorch
    return importlib.import_module(f"torchmetrics.{part}")
