"""Ops on sequences: embeddings, 1-D convolutions and recurrent layers.

Tokens are (length,), features are (length, features).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from optnas.cost import Cost
from optnas.ops.define import op
from optnas.ops.sequence_modules import Sequence1d, States
from optnas.ops.shapes import channels_of, numel, positive, sequence, window
from optnas.space import Shape

__all__ = ["conv1d", "embedding", "gru", "last", "lm_head", "lstm", "rnn"]


def _embedding_cost(shape: Shape, width: int, vocabulary: int | None = None) -> Cost:
    positive(width=width)
    if len(shape) > 1:
        raise ValueError(
            f"it expects tokens, (length,), or one, not {len(shape)} sizes: for features a space takes"
            " tokens=False"
        )
    out = (*shape, width)
    return Cost(
        out, params=_known(vocabulary, "embedding(64, vocabulary=1000)") * width, activations=numel(out)
    )


def _known(vocabulary: int | None, example: str) -> int:
    if vocabulary is None:
        raise ValueError(f"how many words? write {example}, or give vocabulary=… to build and cost")
    positive(vocabulary=vocabulary)
    return vocabulary


@op(cost=_embedding_cost)
def embedding(width: int, vocabulary: int | None = None) -> nn.Module:
    """Map each token to a learned vector of ``width`` features: (length,) to (length, width), () to (width,).

    Args:
        width: Features of a token.
        vocabulary: Number of different tokens; by default that of the data.
    """
    return nn.Embedding(_known(vocabulary, "embedding(64, vocabulary=1000)"), width)


def _lm_head_cost(shape: Shape, vocabulary: int | None = None) -> Cost:
    length, features = sequence(shape)
    words = _known(vocabulary, "lm_head(1000)")
    return Cost(
        (length, words),
        flops=2 * length * features * words,
        params=(features + 1) * words,
        activations=length * words,
        depth=1,
    )


@op(cost=_lm_head_cost)
def lm_head(shape: Shape, vocabulary: int | None = None) -> nn.Module:
    """Compute a score for each word at each position by a linear layer: (length, vocabulary).

    Args:
        vocabulary: Number of words; by default that of the data.
    """
    return nn.Linear(shape[1], _known(vocabulary, "lm_head(1000)"))


@op(cost=lambda shape: Cost(shape[1:], activations=shape[-1]))
def last(x: Tensor) -> Tensor:
    """Return the features of the last position: (features,)."""
    return x[:, -1]


def _conv1d_cost(
    shape: Shape,
    width: int | str,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    causal: bool = False,
    bias: bool = True,
) -> Cost:
    length, features = sequence(shape)
    width = channels_of(width, shape)
    positive(width=width, kernel=kernel, stride=stride, dilation=dilation, groups=groups)
    if features % groups or width % groups:
        raise ValueError(f"groups={groups} must divide both {features} features and width={width}")
    before, after = _padding(kernel, dilation, causal)
    out = (window(length + before + after, kernel, stride, 0, dilation), width)
    weights = width * (features // groups) * kernel
    return Cost(
        out,
        flops=2 * weights * out[0],
        params=weights + (width if bias else 0),
        activations=numel(out),
        depth=1,
    )


def _padding(kernel: int, dilation: int, causal: bool) -> tuple[int, int]:
    reach = dilation * (kernel - 1)
    return (reach, 0) if causal else (reach // 2, reach // 2)


@op(cost=_conv1d_cost)
def conv1d(
    shape: Shape,
    width: int | str,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    causal: bool = False,
    bias: bool = True,
) -> nn.Module:
    """Apply a convolution over positions: (length, features) to (length, width).

    Args:
        width: Output features; ``"same"`` for as many as the input has.
        kernel: Length of the kernel.
        stride: Step of the kernel.
        dilation: Distance between kernel elements.
        groups: Number of groups of features, convolved separately.
        causal: Whether a position sees only itself and earlier ones, as language modelling needs.
        bias: Whether each output feature has a bias.
    """
    features = shape[1]
    convolution = nn.Conv1d(features, channels_of(width, shape), kernel, stride, 0, dilation, groups, bias)
    return Sequence1d(convolution, _padding(kernel, dilation, causal))


def _recurrent_cost(gates: int) -> Callable[..., Cost]:
    def cost(
        shape: Shape, width: int, layers: int = 1, bidirectional: bool = False, dropout: float = 0.0
    ) -> Cost:
        positive(width=width, layers=layers)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout!r} must be at least 0 and below 1")
        length, features = sequence(shape)
        directions = 2 if bidirectional else 1
        weights = biases = 0
        for layer in range(layers):
            given = features if layer == 0 else width * directions
            weights += directions * gates * width * (given + width)
            biases += directions * gates * width * 2
        return Cost(
            (length, width * directions),
            flops=2 * length * weights,
            params=weights + biases,
            activations=length * layers * directions * (gates + 1) * width,
            elementwise=length * layers * directions * 2 * gates * width,
            depth=layers,
        )

    return cost


def _recurrent(
    make: Callable[..., nn.RNNBase],
    features: int,
    width: int,
    layers: int,
    bidirectional: bool,
    dropout: float,
) -> nn.Module:
    # PyTorch applies dropout between layers only, and warns if there is a single layer.
    between = dropout if layers > 1 else 0.0
    arguments: dict[str, Any] = {"batch_first": True, "dropout": between, "bidirectional": bidirectional}
    return States(make(features, width, layers, **arguments))


@op(cost=_recurrent_cost(4))
def lstm(
    input_size: int, width: int, layers: int = 1, bidirectional: bool = False, dropout: float = 0.0
) -> nn.Module:
    """Apply an LSTM (Hochreiter & Schmidhuber 1997): (length, features) to (length, width).

    Args:
        width: Features of the state.
        layers: Number of stacked layers.
        bidirectional: Whether a second LSTM reads backwards; this doubles the output features.
        dropout: Dropout probability between the layers, during training.
    """
    return _recurrent(nn.LSTM, input_size, width, layers, bidirectional, dropout)


@op(cost=_recurrent_cost(3))
def gru(
    input_size: int, width: int, layers: int = 1, bidirectional: bool = False, dropout: float = 0.0
) -> nn.Module:
    """Apply a gated recurrent unit (Cho et al. 2014). Arguments as for ``lstm``."""
    return _recurrent(nn.GRU, input_size, width, layers, bidirectional, dropout)


@op(cost=_recurrent_cost(1))
def rnn(
    input_size: int, width: int, layers: int = 1, bidirectional: bool = False, dropout: float = 0.0
) -> nn.Module:
    """Apply a simple recurrent network with tanh (Elman 1990). Arguments as for ``lstm``."""
    return _recurrent(nn.RNN, input_size, width, layers, bidirectional, dropout)
