"""Search space of multi-layer perceptrons for tabular data."""

from __future__ import annotations

from optnas.ops.activations import gelu, leaky_relu, relu, selu, silu
from optnas.ops.attention import feed_forward
from optnas.ops.containers import seq
from optnas.ops.linear import head, identity, linear
from optnas.ops.norm import dropout, layernorm, norm
from optnas.ops.residual import residual
from optnas.space import Node, choose, real, repeat

__all__ = ["mlp"]


def mlp(most: int = 6, widths: tuple[int, ...] = (16, 32, 64, 128, 256)) -> Node:
    """Return the search space of perceptrons with 1 to ``most`` layers, plain or residual.

    Residual layers are those of Gorishniy et al. 2021 (arXiv 2106.11959).

    Args:
        most: Largest number of layers.
        widths: Numbers of features of a layer to choose from.

    >>> from optnas import spaces
    >>> list(spaces.mlp(most=1).distributions())
    ['layer0.kind', 'layer0.width', 'layer0.norm', 'layer0.activation', 'layer0.dropout', 'layer0.expansion']
    """
    width = choose(*widths, name="width")
    normed = choose(norm(), layernorm(), identity(), name="norm")
    activation = choose(relu(), leaky_relu(), selu(), silu(), gelu(), name="activation")
    rate = real(0.0, 0.5, name="dropout")
    within = choose(1, 2, 4, name="expansion")
    layer = choose(
        seq(linear(width), normed, activation, dropout(rate)),
        residual(normed, feed_forward(expansion=within, activation=activation, rate=rate)),
        name="kind",
    )
    return seq(repeat(layer, 1, most, name="layer"), head())
