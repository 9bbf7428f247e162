"""Layers that the parent does not have, made to pass on what comes in (Net2Deeper), or to add nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from optnas.inherit.signals import cyclic
from optnas.ops.modules import ChannelsFirst, DropPath, Positionwise

__all__ = ["calibrate", "last_linear", "made_identity", "silence"]


def made_identity(layer: nn.Module, before: Tensor, same_size: bool) -> Tensor | None:
    """Make a new layer return what comes in, and return which of the parent's channels come out.

    New channels are copies of those before. A batch norm does so only after :func:`calibrate`.

    Args:
        layer: A convolution, a linear layer or a batch norm.
        before: The parent's channel that each input channel is a copy of.
        same_size: Whether its output is as large as its input.

    Returns:
        ``None``, with nothing changed, if it cannot: it is of another kind, is strided, or has groups.
    """
    if isinstance(layer, _BatchNorm):
        return before if layer.affine and layer.track_running_stats else None
    if isinstance(layer, nn.Linear):
        taken = cyclic(layer.out_features, layer.in_features)
        _set_identity(layer, taken, ())
        return before[taken]
    if not isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d) or not same_size:
        return None
    middle = [pad / step for pad, step in zip(layer.padding, layer.dilation, strict=True)]  # type: ignore[operator]
    inside = all(at == int(at) and at < side for at, side in zip(middle, layer.kernel_size, strict=True))
    if not inside or any(step != 1 for step in layer.stride) or layer.padding_mode != "zeros":
        return None
    tap = tuple(int(at) for at in middle)
    if layer.groups == 1:
        taken = cyclic(layer.out_channels, layer.in_channels)
        _set_identity(layer, taken, tap)
        return before[taken]
    if layer.groups == layer.in_channels == layer.out_channels:
        _set_identity(layer, torch.zeros(layer.out_channels, dtype=torch.long), tap)
        return before
    return None


def _set_identity(layer: Any, taken: Tensor, tap: tuple[int, ...]) -> None:
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[(torch.arange(len(taken)), taken, *tap)] = 1.0
        if layer.bias is not None:
            layer.bias.zero_()


def last_linear(module: nn.Module) -> Any:
    """Return the layer at the end of a branch that scales what it puts out; ``None`` if there is none."""
    if isinstance(module, nn.Sequential):
        for each in reversed(module):
            if not isinstance(each, nn.modules.dropout._DropoutNd | DropPath | nn.Identity):
                return last_linear(each)
        return None
    if isinstance(module, ChannelsFirst | Positionwise):
        return last_linear(module.module)
    scales = isinstance(module, nn.modules.conv._ConvNd | nn.Linear | _BatchNorm)
    return module if scales and module.weight is not None else None


def silence(layer: Any) -> None:
    """Let a layer put out zeros; what it learns from is not zero (zero-init residual, Goyal et al. 2017)."""
    with torch.no_grad():
        layer.weight.zero_()
        if layer.bias is not None:
            layer.bias.zero_()


def calibrate(network: nn.Module, norms: Iterable[_BatchNorm], batch: Any) -> None:
    """Let new batch norms undo themselves: their scale and shift are the spread and mean of what comes in.

    So they return their input in evaluation mode exactly, and in training but for the batch's own
    statistics (Chen et al. 2016, section 2.4). One pass through the network sets all of them, in its order.

    Args:
        network: The network, in evaluation mode.
        norms: The batch norms.
        batch: Inputs of the network.
    """
    norms = list(norms)
    if not norms:
        return

    def undone(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, _BatchNorm)
        x = inputs[0].detach().transpose(0, 1).flatten(1)
        mean, spread = x.mean(1), x.var(1, unbiased=False)
        assert layer.running_mean is not None
        assert layer.running_var is not None
        layer.running_mean.copy_(mean)
        layer.running_var.copy_(spread)
        layer.bias.copy_(mean)
        layer.weight.copy_((spread + layer.eps).sqrt())

    with torch.no_grad(), _hooked(norms, undone):
        network(batch)


@contextmanager
def _hooked(layers: Sequence[nn.Module], hook: Any) -> Iterator[None]:
    with contextlib.ExitStack() as hooks:
        for layer in layers:
            hooks.callback(layer.register_forward_pre_hook(hook).remove)
        yield
