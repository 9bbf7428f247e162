"""Layers that are linear but for a constant, and spectral norms of what they compute together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from optnas.measure.derivatives.lanczos import largest_eigenvalue
from optnas.ops.modules import (
    Applied,
    ChannelsFirst,
    DropPath,
    FactorizedReduce,
    Function,
    MeanPosition,
    Merged,
    Positionwise,
    Residual,
    Zeros,
)
from optnas.ops.sequence_modules import ClassToken, LearnedPositions, Patches, Sequence1d, Sinusoids

__all__ = ["is_linear", "parts_of", "spectral_norm"]

_LINEAR = {
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d,
    nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
    nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d,
    nn.Identity, nn.Flatten, nn.Upsample, nn.ChannelShuffle, nn.Dropout,
    ClassToken, DropPath, FactorizedReduce, LearnedPositions, MeanPosition, Patches, Sequence1d, Sinusoids,
    Zeros,
}  # fmt: skip
_BATCH_NORMS = {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d}
_MERGES = {"add", "sub", "mean", "concat", "blend"}
_FUNCTIONS = {"first", "last", "to_sequence"}

# Up to so many rows or columns the matrix itself is made, and the norm is exact.
_DENSE, _DENSE_NUMBERS = 512, 2**24
_STEPS = 120
_ROUNDING = 1 + 1e-10


def is_linear(module: nn.Module, *, merges: bool = True) -> bool:
    """Return whether ``module``, in evaluation mode, computes Ax + b of its input x.

    Args:
        module: A layer or a block.
        merges: Whether branches that are linear and merged linearly count as such.
    """
    kind = type(module)
    if kind in _LINEAR:
        return True
    if kind in _BATCH_NORMS:
        return bool(module.track_running_stats)
    if isinstance(module, Function):
        return module.op is not None and module.op.name in _FUNCTIONS
    if kind in (nn.Sequential, Positionwise, ChannelsFirst):
        return all(is_linear(each, merges=merges) for each in module.children())
    if isinstance(module, Residual) and merges:
        return all(map(is_linear, module.children()))
    if isinstance(module, Merged) and merges:
        linear = isinstance(module.merging, Applied) and getattr(module.merging.op, "name", "") in _MERGES
        return linear and all(map(is_linear, module.branches))
    return False


def parts_of(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers of a chain of chains in their order."""
    if type(module) is nn.Sequential:
        for each in module:
            yield from parts_of(each)
    else:
        yield module


def spectral_norm(function: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Return the largest singular value of A, of a function that computes Ax + b, or slightly more.

    Of small matrices it is exact. Of large ones, such as a convolution of images, it is about one percent
    too large, so that it is an upper bound (:class:`~optnas.measure.derivatives.lanczos.Eigenvalue`).

    Args:
        function: The function, of a batch of samples.
        x: One sample in float64, whose shape counts, not its values.
    """
    sample = x.shape[1:]
    with torch.no_grad():
        constant = function(torch.zeros_like(x))
    inputs, outputs = x.numel(), constant.numel()
    if min(inputs, outputs) <= _DENSE and inputs * outputs <= _DENSE_NUMBERS:
        matrix = _matrix(function, x, constant)
        gram = matrix @ matrix.T
        largest = float(torch.linalg.eigvalsh(gram)[-1]) if len(gram) else 0.0
        return math.sqrt(max(largest, 0.0)) * _ROUNDING

    def apply(vector: Tensor) -> Tensor:
        with torch.enable_grad():
            at = vector.view(1, *sample).requires_grad_()
            y = function(at)
        return _pulled_back(y, at, (y - constant).detach()).reshape(-1)

    generator = torch.Generator().manual_seed(0)
    start = torch.randn(inputs, dtype=x.dtype, generator=generator).to(x.device)
    found = largest_eigenvalue(apply, start, steps=_STEPS)
    return math.sqrt(max(found.upper, 0.0)) * _ROUNDING


def _matrix(function: Callable[[Tensor], Tensor], x: Tensor, constant: Tensor) -> Tensor:
    """Return A or its transpose, whichever has fewer rows."""
    inputs, outputs = x.numel(), constant.numel()
    if inputs <= outputs:
        with torch.no_grad():
            units = torch.eye(inputs, dtype=x.dtype, device=x.device).view(-1, *x.shape[1:])
            return (function(units) - constant).flatten(1)
    with torch.enable_grad():
        at = torch.zeros(outputs, *x.shape[1:], dtype=x.dtype, device=x.device, requires_grad=True)
        y = function(at).flatten(1)
    return _pulled_back(y, at, torch.eye(outputs, dtype=x.dtype, device=x.device)).flatten(1)


def _pulled_back(y: Tensor, x: Tensor, gradient: Tensor) -> Tensor:
    if not y.requires_grad:  # of a constant
        return torch.zeros_like(x)
    (found,) = torch.autograd.grad(y, x, gradient, allow_unused=True)
    return torch.zeros_like(x) if found is None else found
