"""Ops of transformers on (length, features): attention, feed-forward, positions and patches."""

from __future__ import annotations

from torch import Tensor, nn

from optnas.cost import Cost
from optnas.ops.activations import gelu
from optnas.ops.containers import seq
from optnas.ops.define import op
from optnas.ops.linear import linear
from optnas.ops.norm import dropout, layernorm
from optnas.ops.residual import residual
from optnas.ops.sequence_modules import ClassToken, LearnedPositions, Patches, SelfAttention, Sinusoids
from optnas.ops.shapes import image, numel, positive, sequence, spatial
from optnas.space import Node, Shape

__all__ = [
    "class_token",
    "feed_forward",
    "first",
    "patches",
    "positions",
    "self_attention",
    "to_sequence",
    "transformer_block",
]

_GELU = gelu()


def _positions_cost(shape: Shape, kind: str = "sinusoidal") -> Cost:
    sequence(shape)
    if kind not in ("sinusoidal", "learned"):
        raise ValueError(f"kind={kind!r}: positions are 'sinusoidal' or 'learned'")
    total = numel(shape)
    return Cost(shape, params=total if kind == "learned" else 0, activations=total, elementwise=total)


@op(cost=_positions_cost)
def positions(shape: Shape, kind: str = "sinusoidal") -> nn.Module:
    """Add position encodings to the features.

    Args:
        kind: ``"sinusoidal"`` (Vaswani et al. 2017) or ``"learned"``, for the length it is built on.
    """
    return LearnedPositions(*shape) if kind == "learned" else Sinusoids(*shape)


def _attention_cost(
    shape: Shape, heads: int, causal: bool = False, dropout: float = 0.0, bias: bool = True
) -> Cost:
    length, features = sequence(shape)
    positive(heads=heads)
    if features % heads:
        raise ValueError(f"heads={heads} must divide {features} features")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout={dropout!r} must be at least 0 and below 1")
    weights = 4 * features * features
    return Cost(
        shape,
        # Four matrix products at each position, and two products over all pairs of positions.
        flops=2 * length * weights + 4 * length * length * features,
        params=weights + (4 * features if bias else 0),
        activations=5 * numel(shape),
        elementwise=3 * heads * length * length,
        depth=2,
    )


@op(cost=_attention_cost)
def self_attention(
    shape: Shape, heads: int, causal: bool = False, dropout: float = 0.0, bias: bool = True
) -> nn.Module:
    """Apply multi-head self-attention (Vaswani et al. 2017).

    Args:
        heads: Number of attention heads; must divide the features.
        causal: Whether a position attends only to itself and earlier ones, as language modelling needs.
        dropout: Dropout probability of attention weights, during training.
        bias: Whether the matrix products have a bias.
    """
    return SelfAttention(shape[1], heads, causal, dropout, bias)


@op
def feed_forward(in_features: int, expansion: int = 4, activation: Node = _GELU, rate: float = 0.0) -> Node:
    """Apply two linear layers at each position, with an activation between them (Vaswani et al. 2017).

    Args:
        expansion: Number of hidden features, as a multiple of the input features.
        activation: The activation between the layers.
        rate: Dropout probability after the activation and after the second layer.
    """
    drop = [dropout(rate)] if rate else []
    return seq(linear(in_features * expansion), activation, *drop, linear(in_features), *drop)


@op
def transformer_block(
    heads: int,
    expansion: int = 4,
    activation: Node = _GELU,
    rate: float = 0.0,
    causal: bool = False,
) -> Node:
    """Apply attention, then feed-forward, each to layer-normalised features and added to its input.

    The pre-norm form (Xiong et al. 2020; Dosovitskiy et al. 2021).

    Args:
        heads: Number of attention heads; must divide the features.
        expansion: Number of hidden features of feed-forward, as a multiple of the input features.
        activation: The activation within feed-forward.
        rate: Dropout probability.
        causal: Whether a position attends only to itself and earlier ones.
    """
    drop = [dropout(rate)] if rate else []
    return seq(
        residual(layernorm(), self_attention(heads, causal=causal), *drop),
        residual(layernorm(), feed_forward(expansion, activation, rate)),
    )


def _patches_cost(shape: Shape, width: int, size: int) -> Cost:
    channels, height, wide = image(shape)
    positive(width=width, size=size)
    if height % size or wide % size:
        raise ValueError(f"patches of {size}×{size} do not tile an image of {height}×{wide}")
    length = (height // size) * (wide // size)
    weights = channels * size * size * width
    return Cost(
        (length, width),
        flops=2 * length * weights,
        params=weights + width,
        activations=length * width,
        depth=1,
    )


@op(cost=_patches_cost)
def patches(shape: Shape, width: int, size: int) -> nn.Module:
    """Convert an image to a sequence of patches with ``width`` features each (Dosovitskiy et al. 2021).

    Args:
        width: Features of a patch.
        size: Side of the square patches; they must tile the image.
    """
    return Patches(shape[0], width, size)


def _to_sequence_cost(shape: Shape) -> Cost:
    channels, sizes = spatial(shape)
    return Cost((numel(sizes), channels))


@op(cost=_to_sequence_cost)
def to_sequence(x: Tensor) -> Tensor:
    """Read a feature map as a sequence, row by row: (channels, height, width) to (height · width, channels).

    As attention, recurrent layers and decoders take it (Carion et al. 2020); of a volume likewise. It has no
    weights: ``patches`` projects, too.
    """
    return x.flatten(2).transpose(1, 2)


def _class_token_cost(shape: Shape) -> Cost:
    length, features = sequence(shape)
    return Cost((length + 1, features), params=features, activations=(length + 1) * features)


@op(cost=_class_token_cost)
def class_token(shape: Shape) -> nn.Module:
    """Prepend a learned token to the sequence (Devlin et al. 2019), which ``first`` reads."""
    return ClassToken(shape[1])


@op(cost=lambda shape: Cost(shape[1:], activations=shape[-1]))
def first(x: Tensor) -> Tensor:
    """Return the features of the first position: (features,)."""
    return x[:, 0]
