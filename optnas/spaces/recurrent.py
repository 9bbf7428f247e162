"""Search space of recurrent networks for classifying sequences and for language modelling."""

from __future__ import annotations

from typing import Literal

from optnas.ops.containers import seq
from optnas.ops.linear import head, linear
from optnas.ops.norm import dropout
from optnas.ops.sequence import embedding, gru, last, lm_head, lstm, rnn
from optnas.space import Node, SpaceError, choose, real, repeat, shared

__all__ = ["recurrent"]


def recurrent(
    task: Literal["classification", "language_modelling"] = "classification",
    *,
    tokens: bool = True,
    most: int = 3,
    widths: tuple[int, ...] = (32, 64, 128, 256),
) -> Node:
    """Return the search space of networks with 1 to ``most`` recurrent layers.

    Args:
        task: ``"classification"`` has one vector of outputs; its layers may be bidirectional.
            ``"language_modelling"`` outputs a score for each word at each position.
        tokens: Whether inputs are tokens, (length,), and not features, (length, features).
        most: Largest number of layers.
        widths: Numbers of features of a layer to choose from.

    Raises:
        SpaceError: If the task is unknown.

    >>> from optnas import spaces
    >>> list(spaces.recurrent(most=1).distributions())
    ['embedding', 'layer0.op', 'layer0.width', 'layer0.bidirectional', 'dropout', 'head']
    """
    language = _is_language(task)
    width = choose(*widths, name="width")
    both = False if language else choose(False, True, name="bidirectional")
    layer = choose(
        lstm(width, bidirectional=both),
        gru(width, bidirectional=both),
        rnn(width, bidirectional=both),
        name="op",
    )
    first = choose(*widths, name="embedding")
    rate = shared(real(0.0, 0.5, name="dropout"))
    return seq(
        embedding(first) if tokens else linear(first),
        repeat(layer, 1, most, name="layer"),
        dropout(rate),
        lm_head() if language else choose(head(), seq(last(), head()), name="head"),
    )


def _is_language(task: str) -> bool:
    if task not in ("classification", "language_modelling"):
        raise SpaceError(f"task={task!r}: sequences are for 'classification' or 'language_modelling'")
    return task == "language_modelling"
