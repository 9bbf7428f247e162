"""Search space of chains of layers for images; the kind of each layer is a choice."""

from __future__ import annotations

from optnas.ops.activations import gelu, leaky_relu, mish, relu, swish
from optnas.ops.containers import seq
from optnas.ops.conv import conv, sepconv
from optnas.ops.linear import head, identity
from optnas.ops.norm import norm
from optnas.ops.pool import avgpool, maxpool
from optnas.space import Node, choose, real, repeat

__all__ = ["chain"]


def chain(
    most: int = 8, widths: tuple[int, ...] = (8, 16, 32, 64), kernels: tuple[int, ...] = (3, 5)
) -> Node:
    """Return the search space of chains of 1 to ``most`` layers: convolution, separable convolution, pooling.

    Args:
        most: Largest number of layers.
        widths: Numbers of channels to choose from.
        kernels: Kernel sizes to choose from.

    >>> from optnas import spaces
    >>> list(spaces.chain(most=1).distributions())
    ['layer0.op', 'layer0.width', 'layer0.kernel', 'layer0.activation', 'layer0.beta']
    """
    width, kernel = choose(*widths, name="width"), choose(*kernels, name="kernel")
    activation = choose(
        relu(), leaky_relu(), gelu(), mish(), swish(beta=real(0.5, 2.0, name="beta")), name="activation"
    )
    layer = choose(
        seq(conv(width, kernel), norm(), activation),
        seq(sepconv(width, kernel), norm(), activation),
        # Overlapping windows leave at least one pixel of any image, however often they are applied.
        maxpool(3, stride=2),
        avgpool(3, stride=2),
        identity(),
        name="op",
    )
    return seq(repeat(layer, 1, most, name="layer"), head())
