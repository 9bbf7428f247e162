"""Ops of decoders, which read a memory: cross-attention and the block of a transformer's decoder."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from optnas.cost import Cost
from optnas.ops.activations import gelu
from optnas.ops.attention import feed_forward, self_attention
from optnas.ops.containers import seq
from optnas.ops.define import op
from optnas.ops.merges import add
from optnas.ops.norm import dropout, layernorm
from optnas.ops.residual import residual
from optnas.ops.several import input as taken
from optnas.ops.several import update
from optnas.ops.shapes import positive, sequence
from optnas.space import Node, Shape

__all__ = ["CrossAttention", "cross_attention", "decoder_block"]

_GELU = gelu()


class CrossAttention(nn.Module):
    """Attend from the positions of the first branch to those of the second (Vaswani et al. 2017).

    A merge of two sequences, queries and memory: ``cross_attention(input('x'), input('memory'), heads=4)`` is
    (length, features), as the queries are. The memory may have another length and other features.

    Args:
        heads: Number of attention heads; must divide the features of the queries.
        dropout: Dropout probability of attention weights, during training.
        bias: Whether the matrix products have a bias.
    """

    def __init__(
        self, shapes: tuple[Shape, ...], heads: int, dropout: float = 0.0, bias: bool = True
    ) -> None:
        super().__init__()
        (_, features), (_, remembered) = shapes
        self.heads = heads
        self.dropout = dropout
        self.queries = nn.Linear(features, features, bias)
        self.keys_values = nn.Linear(remembered, 2 * features, bias)
        self.out = nn.Linear(features, features, bias)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        return self.attend(x, *self.remembered(memory))

    def remembered(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values of the memory, each of (batch, heads, length, features of a head)."""
        keys, values = self.keys_values(memory).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return keys, values

    def attend(self, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Return what the positions of ``x`` make of the memory's keys and values."""
        queries = self.queries(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        attended = functional.scaled_dot_product_attention(
            queries, keys, values, dropout_p=self.dropout if self.training else 0.0
        )
        projected: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return projected


def _cross_cost(shapes: tuple[Shape, ...], heads: int, dropout: float = 0.0, bias: bool = True) -> Cost:
    (length, features), (memory, remembered) = map(sequence, shapes)
    positive(heads=heads)
    if features % heads:
        raise ValueError(f"heads={heads} must divide {features} features")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout={dropout!r} must be at least 0 and below 1")
    here, there = 2 * features * features, 2 * features * remembered
    return Cost(
        (length, features),
        # Two matrix products at each position, two at each of the memory, and two over all pairs.
        flops=2 * length * here + 2 * memory * there + 4 * length * memory * features,
        params=here + there + (4 * features if bias else 0),
        activations=3 * length * features + 2 * memory * features,
        elementwise=3 * heads * length * memory,
        depth=2,
    )


cross_attention = op(CrossAttention, name="cross_attention", cost=_cross_cost)


@op
def decoder_block(heads: int, expansion: int = 4, activation: Node = _GELU, rate: float = 0.0) -> Node:
    """Apply causal self-attention, cross-attention to ``memory`` and feed-forward to ``x``, each added to it.

    It takes several tensors and replaces ``x``: the decoder of a transformer (Vaswani et al. 2017) in the
    pre-norm form (Xiong et al. 2020). ``seq(fork(memory=encoder, x=embedded), decoder_block(4), input('x'))``
    is an encoder and a decoder; ``tasks.beam_search`` generates with it, and computes each position once.

    Args:
        heads: Number of attention heads; must divide the features of ``x``.
        expansion: Number of hidden features of feed-forward, as a multiple of the input features.
        activation: The activation within feed-forward.
        rate: Dropout probability.
    """
    drop = [dropout(rate)] if rate else []
    read = cross_attention(seq(taken("x"), layernorm()), taken("memory"), heads=heads)
    return seq(
        update(x=seq(taken("x"), residual(layernorm(), self_attention(heads, causal=True), *drop))),
        update(x=add(taken("x"), seq(read, *drop))),
        update(x=seq(taken("x"), residual(layernorm(), feed_forward(expansion, activation, rate)))),
    )
