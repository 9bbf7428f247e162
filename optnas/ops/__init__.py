"""The ops: what a node of a tree can be."""

from optnas.ops.activations import elu, gelu, leaky_relu, mish, relu, sigmoid, swish, tanh
from optnas.ops.containers import residual, seq
from optnas.ops.conv import conv, depthwise, sepconv
from optnas.ops.define import op
from optnas.ops.linear import flatten, head, identity, linear
from optnas.ops.norm import dropout, norm
from optnas.ops.pool import avgpool, maxpool

__all__ = [
    "avgpool",
    "conv",
    "depthwise",
    "dropout",
    "elu",
    "flatten",
    "gelu",
    "head",
    "identity",
    "leaky_relu",
    "linear",
    "maxpool",
    "mish",
    "norm",
    "op",
    "relu",
    "residual",
    "sepconv",
    "seq",
    "sigmoid",
    "swish",
    "tanh",
]
