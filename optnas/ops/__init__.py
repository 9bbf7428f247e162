"""Ops: the layers, blocks and functions of which search spaces and architectures are composed.

``help(ops.conv)`` has the arguments of one. By kind:

- Composition: ``seq``, ``branch``, ``residual``, ``stack``, ``identity``, ``cell``, ``node``, ``skip``,
  ``none``, ``drop_path``.
- Several tensors: ``input``, ``fork``, ``update``.
- Merges of branches: ``add``, ``sub``, ``mul``, ``div``, ``mean``, ``maximum``, ``minimum``, ``concat``,
  ``gate``, ``blend``, ``radial``, ``laplacian``.
- Convolutions: ``conv``, ``depthwise``, ``sepconv``, ``transposed_conv``, ``conv1d``, ``channel_shuffle``.
- Convolutional blocks: ``conv_norm``, ``basic_block``, ``bottleneck``, ``inverted_residual``,
  ``squeeze_excite``, ``excite``, ``factorized_reduce``, ``relu_conv_bn``, ``relu_sepconv_bn``,
  ``relu_dilconv_bn``.
- Several resolutions: ``upsample``, ``unet``, ``fpn``.
- Pooling: ``maxpool``, ``avgpool``, ``adaptive_maxpool``, ``adaptive_avgpool``, ``global_maxpool``,
  ``global_avgpool``.
- Norms and dropout: ``norm``, ``layernorm``, ``groupnorm``, ``instancenorm``, ``dropout``.
- Dense layers and heads: ``linear``, ``flatten``, ``head``, ``lm_head``, ``softmax``.
- Sequences: ``embedding``, ``lstm``, ``gru``, ``rnn``, ``first``, ``last``.
- Attention: ``self_attention``, ``cross_attention``, ``feed_forward``, ``transformer_block``,
  ``decoder_block``, ``positions``, ``class_token``, ``patches``, ``to_sequence``.
- Graphs: ``graph_conv``.
- Activations: ``relu``, ``relu6``, ``leaky_relu``, ``prelu``, ``elu``, ``celu``, ``selu``, ``gelu``,
  ``silu``, ``swish``, ``shifted_swish``, ``mish``, ``hardswish``, ``hardsigmoid``, ``hardtanh``,
  ``sigmoid``, ``tanh``, ``softplus``, ``softsign``.
- Activations as expressions: ``act`` of ``x``, ``constant``, ``scale``, ``shift``, ``core_unit``,
  ``negative``, ``negative_part``, ``absolute``, ``square``, ``cube``, ``sqrt``, ``exp``, ``log``, ``erf``,
  ``sin``, ``cos``, ``sinh``, ``cosh``, ``asinh``, ``atan``, ``sinc``, ``gaussian``, and the merges.
- To make and to read them: ``op`` (one of your own), ``lines`` (an architecture as a list of layers),
  ``graph_of`` and ``Graph`` (the graph of a cell).
"""

from optnas.ops import lines
from optnas.ops.activations import (
    celu,
    elu,
    gelu,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    mish,
    prelu,
    relu,
    relu6,
    selu,
    shifted_swish,
    sigmoid,
    silu,
    softplus,
    softsign,
    swish,
    tanh,
)
from optnas.ops.attention import (
    class_token,
    feed_forward,
    first,
    patches,
    positions,
    self_attention,
    to_sequence,
    transformer_block,
)
from optnas.ops.blocks import (
    basic_block,
    bottleneck,
    conv_norm,
    excite,
    inverted_residual,
    relu_conv_bn,
    relu_dilconv_bn,
    relu_sepconv_bn,
    squeeze_excite,
)
from optnas.ops.cell import cell, node
from optnas.ops.cell_graph import Graph, graph_of
from optnas.ops.containers import seq
from optnas.ops.conv import channel_shuffle, conv, depthwise, sepconv, transposed_conv, upsample
from optnas.ops.decoder import cross_attention, decoder_block
from optnas.ops.define import op
from optnas.ops.elementary import (
    absolute,
    asinh,
    atan,
    constant,
    cos,
    cosh,
    cube,
    erf,
    exp,
    gaussian,
    log,
    negative,
    negative_part,
    scale,
    shift,
    sin,
    sinc,
    sinh,
    sqrt,
    square,
    x,
)
from optnas.ops.expressions import act, core_unit
from optnas.ops.graphs import graph_conv
from optnas.ops.linear import flatten, head, identity, linear, softmax
from optnas.ops.merges import (
    add,
    blend,
    branch,
    concat,
    div,
    gate,
    laplacian,
    maximum,
    mean,
    minimum,
    mul,
    radial,
    sub,
)
from optnas.ops.norm import drop_path, dropout, groupnorm, instancenorm, layernorm, norm
from optnas.ops.pool import (
    adaptive_avgpool,
    adaptive_maxpool,
    avgpool,
    global_avgpool,
    global_maxpool,
    maxpool,
)
from optnas.ops.pyramid import fpn, unet
from optnas.ops.residual import residual
from optnas.ops.sequence import conv1d, embedding, gru, last, lm_head, lstm, rnn
from optnas.ops.several import fork, input, update  # noqa: A004 - as in several.py
from optnas.ops.skip import factorized_reduce, none, skip
from optnas.ops.stack import stack
from optnas.space.op import seal

__all__ = [
    "Graph",
    "absolute",
    "act",
    "adaptive_avgpool",
    "adaptive_maxpool",
    "add",
    "asinh",
    "atan",
    "avgpool",
    "basic_block",
    "blend",
    "bottleneck",
    "branch",
    "cell",
    "celu",
    "channel_shuffle",
    "class_token",
    "concat",
    "constant",
    "conv",
    "conv1d",
    "conv_norm",
    "core_unit",
    "cos",
    "cosh",
    "cross_attention",
    "cube",
    "decoder_block",
    "depthwise",
    "div",
    "drop_path",
    "dropout",
    "elu",
    "embedding",
    "erf",
    "excite",
    "exp",
    "factorized_reduce",
    "feed_forward",
    "first",
    "flatten",
    "fork",
    "fpn",
    "gate",
    "gaussian",
    "gelu",
    "global_avgpool",
    "global_maxpool",
    "graph_conv",
    "graph_of",
    "groupnorm",
    "gru",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "head",
    "identity",
    "input",
    "instancenorm",
    "inverted_residual",
    "laplacian",
    "last",
    "layernorm",
    "leaky_relu",
    "linear",
    "lines",
    "lm_head",
    "log",
    "lstm",
    "maximum",
    "maxpool",
    "mean",
    "minimum",
    "mish",
    "mul",
    "negative",
    "negative_part",
    "node",
    "none",
    "norm",
    "op",
    "patches",
    "positions",
    "prelu",
    "radial",
    "relu",
    "relu6",
    "relu_conv_bn",
    "relu_dilconv_bn",
    "relu_sepconv_bn",
    "residual",
    "rnn",
    "scale",
    "self_attention",
    "selu",
    "sepconv",
    "seq",
    "shift",
    "shifted_swish",
    "sigmoid",
    "silu",
    "sin",
    "sinc",
    "sinh",
    "skip",
    "softmax",
    "softplus",
    "softsign",
    "sqrt",
    "square",
    "squeeze_excite",
    "stack",
    "sub",
    "swish",
    "tanh",
    "to_sequence",
    "transformer_block",
    "transposed_conv",
    "unet",
    "update",
    "upsample",
    "x",
]

seal()
