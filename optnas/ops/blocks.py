"""Blocks of convolutions from the literature. Shapes are (channels, height, width)."""

from __future__ import annotations

from torch import nn

from optnas.cost import Cost
from optnas.ops.activations import relu, relu6, sigmoid
from optnas.ops.containers import CHILDREN, chain_cost, chain_modules, seq
from optnas.ops.conv import conv, depthwise, sepconv
from optnas.ops.define import op
from optnas.ops.modules import Gated
from optnas.ops.norm import drop_path, norm
from optnas.ops.pool import adaptive_avgpool
from optnas.ops.residual import residual
from optnas.ops.shapes import channels_of, numel
from optnas.space import Node, Op, Site, register

__all__ = [
    "basic_block",
    "bottleneck",
    "conv_norm",
    "excite",
    "inverted_residual",
    "relu_conv_bn",
    "relu_dilconv_bn",
    "relu_sepconv_bn",
    "squeeze_excite",
]

_RELU, _RELU6, _SIGMOID = relu(), relu6(), sigmoid()


@op
def conv_norm(
    width: int | str,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    activation: Node = _RELU,
) -> Node:
    """Apply a convolution, a batch norm and an activation."""
    return seq(conv(width, kernel, stride, dilation, groups), norm(), activation)


class _Excite(Op):
    sequential = True

    def cost(self, node: Node, site: Site) -> Cost:
        gate = chain_cost(node.children, site)
        fits = len(gate.shape) == len(site.shape) and all(
            size in (1, whole) for size, whole in zip(gate.shape, site.shape, strict=True)
        )
        if not fits:
            raise ValueError(f"its children make {gate.shape} of {site.shape}, which do not multiply")
        total = numel(site.shape)
        return gate.then(Cost(site.shape, activations=total, elementwise=total))

    def build(self, node: Node, site: Site) -> nn.Module:
        return Gated(chain_modules(node.children, site))


excite = register(
    _Excite(
        "excite", CHILDREN, "Its input times what its children, one after the other, make of it; broadcast."
    )
)


@op
def squeeze_excite(in_channels: int, width: int, activation: Node = _RELU, gate: Node = _SIGMOID) -> Node:
    """Scale each channel by a weight computed from the means of all channels (Hu et al. 2018).

    Args:
        width: Channels between the two 1×1 convolutions.
        activation: The activation after the first convolution.
        gate: The activation after the second convolution, which returns the weights.
    """
    return excite(
        adaptive_avgpool(1),
        conv(width, kernel=1, bias=True),
        activation,
        conv(in_channels, kernel=1, bias=True),
        gate,
    )


@op
def inverted_residual(
    in_channels: int,
    width: int | str,
    expansion: int = 6,
    kernel: int = 3,
    stride: int = 1,
    squeeze: float = 0.0,
    activation: Node = _RELU6,
    gate: Node = _SIGMOID,
    drop: float = 0.0,
) -> Node:
    """Expand the channels, convolve them depthwise, and project to ``width`` (Sandler et al. 2018).

    Args:
        width: Output channels. If the shape does not change, the input is added.
        expansion: Factor by which the channels are expanded; 1 omits the first convolution.
        kernel: Kernel size of the depthwise convolution.
        stride: Stride of the depthwise convolution.
        squeeze: Channels within squeeze-and-excitation as a share of the input's; 0 for none
            (Howard et al. 2019; Tan & Le 2019).
        activation: The activation after the first two convolutions and within squeeze-and-excitation.
        gate: The last activation of squeeze-and-excitation.
        drop: Probability of dropping the block in training, if the input is added.
    """
    width = channels_of(width, (in_channels, 1, 1))
    body: list[Node] = []
    if expansion != 1:
        body += [conv(in_channels * expansion, kernel=1), norm(), activation]
    body += [depthwise(kernel, stride), norm(), activation]
    if squeeze:
        squeezed = max(1, int(in_channels * squeeze))
        body.append(squeeze_excite(squeezed, activation=activation, gate=gate))
    body += [conv(width, kernel=1), norm()]
    if stride != 1 or width != in_channels:
        return seq(*body)
    return residual(*body, *([drop_path(drop)] if drop else []))


@op
def basic_block(width: int | str, stride: int = 1, kernel: int = 3, activation: Node = _RELU) -> Node:
    """Apply two convolutions with a residual shortcut (He et al. 2016)."""
    body = residual(conv(width, kernel, stride), norm(), activation, conv(width, kernel), norm())
    return seq(body, activation)


@op
def bottleneck(
    in_channels: int,
    width: int | str,
    stride: int = 1,
    kernel: int = 3,
    reduction: int = 4,
    groups: int = 1,
    activation: Node = _RELU,
) -> Node:
    """Apply a convolution between two 1×1 convolutions, with a residual shortcut (He et al. 2016).

    Args:
        width: Output channels.
        stride: Stride of the middle convolution.
        kernel: Kernel size of the middle convolution.
        reduction: Factor by which the middle convolution has fewer channels.
        groups: Groups of the middle convolution (ResNeXt; Xie et al. 2017).
        activation: The activation after the first two convolutions and after the sum.
    """
    width = channels_of(width, (in_channels, 1, 1))
    narrow = max(width // reduction, 1)
    body = residual(
        conv(narrow, kernel=1),
        norm(),
        activation,
        conv(narrow, kernel, stride, groups=groups),
        norm(),
        activation,
        conv(width, kernel=1),
        norm(),
    )
    return seq(body, activation)


@op
def relu_conv_bn(kernel: int, width: int | str = "same", stride: int = 1) -> Node:
    """Apply ReLU, a convolution and a batch norm: an edge of NAS-Bench-201 and DARTS."""
    return seq(relu(), conv(width, kernel, stride), norm())


@op
def relu_sepconv_bn(kernel: int, width: int | str = "same", stride: int = 1) -> Node:
    """Apply ReLU, a separable convolution and a batch norm twice, as in DARTS (Liu et al. 2019)."""
    return seq(relu(), sepconv("same", kernel, stride), norm(), relu(), sepconv(width, kernel), norm())


@op
def relu_dilconv_bn(kernel: int, width: int | str = "same", stride: int = 1, dilation: int = 2) -> Node:
    """Apply ReLU, a dilated separable convolution and a batch norm, as in DARTS (Liu et al. 2019)."""
    return seq(relu(), sepconv(width, kernel, stride, dilation), norm())
