"""Faster kernels to train depthwise and pointwise convolutions of images in channels last.

- Wide depthwise convolutions on the CPU: oneDNN has a special kernel for the gradient of a depthwise
  convolution's weights only up to a width of 3. Beyond, it uses one made for dense convolutions, 5 to 15
  times slower. So the gradient of a wide kernel is computed in slices of three columns.
- Depthwise convolutions on CUDA: for channels last PyTorch uses cuDNN's kernels, which are compiled anew
  for every shape, in every process. That takes 3 to 9 seconds for the layers of one small mobile network on
  an H200, where the whole training takes one. PyTorch's own kernels, for its contiguous format, are ready
  at once.
- Pointwise convolutions: in channels last they are matrix products, which start sooner.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from optnas.train.memory_format import channels_last
from optnas.train.replaced_forwards import Forward, replaced_forwards

__all__ = ["faster_convolutions"]

_WIDEST = 3


def faster_convolutions(module: nn.Module, device: str) -> contextlib.AbstractContextManager[None]:
    """Compute depthwise and pointwise convolutions of ``module`` by faster kernels inside this context.

    Args:
        module: A network in channels last; its inputs are expected in that format too.
        device: The type of the network's device, such as ``"cuda"``.
    """
    return replaced_forwards(module, partial(_chosen, device))


def _chosen(device: str, layer: nn.Module) -> Forward | None:
    # Only PyTorch's own class: a subclass may have another forward pass.
    if type(layer) is nn.Conv2d and (forward := _faster(layer, device)) is not None:
        return partial(forward, layer)
    return None


def _faster(layer: nn.Conv2d, device: str) -> Callable[[nn.Conv2d, Tensor], Tensor] | None:
    depthwise = layer.groups == layer.in_channels > 1
    if device == "cuda" and depthwise:
        return _contiguous
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return None
    if (
        device == "cpu"
        and depthwise
        and layer.out_channels == layer.groups
        and layer.kernel_size[1] > _WIDEST
    ):
        return _wide_depthwise
    if layer.groups == 1 and layer.kernel_size == layer.stride == (1, 1) and layer.padding == (0, 0):
        return _pointwise
    return None


def _contiguous(layer: nn.Conv2d, x: Tensor) -> Tensor:
    # With one channel the weight's strides fit either format, and PyTorch goes by them too: set them.
    weight = layer.weight.flatten(1).view(layer.weight.shape)
    return channels_last(layer._conv_forward(x.contiguous(), weight, layer.bias))


def _pointwise(layer: nn.Conv2d, x: Tensor) -> Tensor:
    if x.dim() != 4:
        return nn.Conv2d.forward(layer, x)
    return functional.linear(x.permute(0, 2, 3, 1), layer.weight.flatten(1), layer.bias).permute(0, 3, 1, 2)


def _wide_depthwise(layer: nn.Conv2d, x: Tensor) -> Tensor:
    if not torch.is_grad_enabled() or x.dim() != 4:
        return nn.Conv2d.forward(layer, x)
    steps = layer.stride, layer.padding, layer.dilation
    out: Tensor = _Depthwise.apply(x, layer.weight, *steps)  # type: ignore[no-untyped-call]
    return out if layer.bias is None else out + layer.bias[:, None, None]


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        x: Tensor,
        weight: Tensor,
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
    ) -> Tensor:
        context.save_for_backward(x, weight)
        context.steps = stride, padding, dilation
        return functional.conv2d(x, weight, None, stride, padding, dilation, len(weight))

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        x, weight = context.saved_tensors
        stride, padding, dilation = context.steps
        for_x, for_weight = context.needs_input_grad[:2]
        x_gradient = weight_gradient = None
        if for_x:
            x_gradient = _backward(gradient, x, weight, stride, padding, dilation, of_input=True)
        if for_weight:
            weight_gradient = torch.empty_like(weight)
            padded = functional.pad(x, (padding[1], padding[1]))
            reach = (gradient.shape[-1] - 1) * stride[1]
            for left in range(0, weight.shape[-1], _WIDEST):
                columns = weight_gradient[..., left : left + _WIDEST]
                first, last = left * dilation[1], (left + columns.shape[-1] - 1) * dilation[1] + reach
                seen = padded[..., first : last + 1]
                columns.copy_(
                    _backward(gradient, seen, columns, stride, (padding[0], 0), dilation, of_input=False)
                )
        return x_gradient, weight_gradient, None, None, None


def _backward(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    *,
    of_input: bool,
) -> Tensor:
    """Return the gradient of a depthwise convolution's input, or of its weight."""
    gradients = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, dilation, False, (0, 0), len(weight),
        (of_input, not of_input, False),
    )  # fmt: skip
    wanted: Tensor = gradients[0] if of_input else gradients[1]
    return wanted
