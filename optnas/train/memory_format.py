"""Images in the memory format channels last, forward and backward.

Convolutions and poolings are fastest in this format, on the CPU as on tensor cores. A single gradient
in the other format spoils it: every layer below then works on two formats at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["channels_last", "in_channels_last"]

# Layers whose gradients come in PyTorch's default format, whatever the format of their inputs.
_FORGETFUL = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Flatten)


def channels_last(x: Tensor) -> Tensor:
    """Return images (samples, channels, height, width) in the memory format channels last.

    Anything else is returned as it is.
    """
    if x.dim() != 4:
        return x
    _, channels, height, width = x.shape
    if channels > 1:
        return x.contiguous(memory_format=torch.channels_last)
    # With one channel the strides fit both formats, and PyTorch would choose the slower one: set them.
    return x.as_strided(x.shape, (height * width, 1, width, 1))


@contextlib.contextmanager
def in_channels_last(module: nn.Module) -> Iterator[None]:
    """Convert ``module`` to channels last, and keep gradients in that format inside this context."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    handles = [
        layer.register_forward_pre_hook(_keep) for layer in module.modules() if isinstance(layer, _FORGETFUL)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _keep(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
    x = inputs[0]
    if isinstance(x, Tensor) and x.requires_grad and x.dim() == 4:
        x.register_hook(channels_last)  # type: ignore[no-untyped-call]
