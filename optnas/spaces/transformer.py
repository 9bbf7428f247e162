"""Search space of transformers for classifying sequences and for language modelling."""

from __future__ import annotations

from typing import Literal

from optnas.ops.activations import gelu, relu, silu
from optnas.ops.attention import positions, transformer_block
from optnas.ops.containers import seq
from optnas.ops.linear import head, linear
from optnas.ops.norm import layernorm
from optnas.ops.sequence import embedding, lm_head
from optnas.space import Node, SpaceError, choose, real, repeat, shared

__all__ = ["transformer"]


def transformer(
    task: Literal["classification", "language_modelling"] = "classification",
    *,
    tokens: bool = True,
    most: int = 6,
    widths: tuple[int, ...] = (32, 64, 128, 256),
    heads: tuple[int, ...] = (1, 2, 4, 8),
) -> Node:
    """Return the search space of networks with 1 to ``most`` transformer blocks.

    Args:
        task: ``"classification"`` has one vector of outputs. ``"language_modelling"`` outputs a score
            for each word at each position, and a position attends only to itself and earlier ones.
        tokens: Whether inputs are tokens, (length,), and not features, (length, features).
        most: Largest number of blocks.
        widths: Numbers of features of a position to choose from.
        heads: Numbers of attention heads to choose from; each must divide every width.

    Raises:
        SpaceError: If the task is unknown, or a number of heads does not divide a width.

    >>> from optnas import spaces
    >>> list(spaces.transformer(most=1).distributions())[:4]
    ['width', 'positions', 'block0.heads', 'block0.expansion']
    """
    if task not in ("classification", "language_modelling"):
        raise SpaceError(f"task={task!r}: sequences are for 'classification' or 'language_modelling'")
    if any(width % head for width in widths for head in heads):
        raise SpaceError(f"heads={heads} must each divide every one of widths={widths}")
    language = task == "language_modelling"
    width = choose(*widths, name="width")
    block = transformer_block(
        choose(*heads, name="heads"),
        expansion=choose(1, 2, 4, name="expansion"),
        activation=choose(relu(), gelu(), silu(), name="activation"),
        rate=shared(real(0.0, 0.3, name="dropout")),
        causal=language,
    )
    return seq(
        embedding(width) if tokens else linear(width),
        positions(kind=choose("sinusoidal", "learned", name="positions")),
        repeat(block, 1, most, name="block"),
        layernorm(),
        lm_head() if language else head(),
    )
