"""torchmetrics' functions, imported when the first metric needs them: that takes seconds."""

from __future__ import annotations

import contextlib
import importlib
import types

from optnas.data._torchvision import torchvision

__all__ = ["torchmetrics"]


def torchmetrics() -> types.ModuleType:
    """Return the package ``torchmetrics.functional``."""
    with contextlib.suppress(ImportError):
        torchvision()  # which it imports if it is there, and which has to be imported our way
    return importlib.import_module("torchmetrics.functional")
