"""Images in the memory format channels last, forward and backward.

It is what convolutions and poolings are fastest in, on the CPU as on tensor cores. One gradient in
the other format is enough to spoil it: every layer below then works on two formats at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["channels_last", "in_channels_last"]

# Layers whose gradients come in PyTorch's default format, whatever their inputs were in.
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
    # One channel satisfies both formats, and PyTorch would go on with the slower one: say which.
    return x.as_strided(x.shape, (height * width, 1, width, 1))


@contextlib.contextmanager
def in_channels_last(module: nn.Module) -> Iterator[None]:
    """Bring the weights of ``module`` to channels last, and keep gradients in it while within."""
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
