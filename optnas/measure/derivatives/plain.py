"""Networks as their second derivatives need them: with formulas in place of fused kernels."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from optnas.ops.swish_mish import FixedSwish, Mish
from optnas.train.replaced_forwards import Forward, replaced_forwards

__all__ = ["twice_differentiable"]


@contextlib.contextmanager
def twice_differentiable(network: nn.Module) -> Iterator[None]:
    """Compute ``network`` inside this context by kernels whose derivatives have derivatives."""
    with contextlib.ExitStack() as plain:
        plain.enter_context(replaced_forwards(network, _formula))
        plain.enter_context(sdpa_kernel(SDPBackend.MATH))
        if any(isinstance(layer, nn.RNNBase) for layer in network.modules()):
            plain.enter_context(torch.backends.cudnn.flags(enabled=False))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it cannot set TF32 on this CPU
                plain.enter_context(torch.backends.mkldnn.flags(enabled=False))
        yield


def _formula(layer: nn.Module) -> Forward | None:
    if type(layer) is FixedSwish:
        return partial(_swish, layer.beta)
    return functional.mish if type(layer) is Mish else None


def _swish(beta: float, x: Tensor) -> Tensor:
    return x * torch.sigmoid(beta * x)
