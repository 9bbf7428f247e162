"""Choice of each mixture's option by what the supernet loses without it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch

from optnas.one_shot.decisions import Decisions

__all__ = ["by_perturbation"]


def by_perturbation(
    decisions: Decisions, names: Iterable[str], weighting: int, loss_of: Callable[[], float]
) -> dict[str, Any]:
    """Return for each mixture the option without which the supernet is worst (Wang et al. 2021, DARTS-PT).

    The size of a probability says little of how good an option is: that of a skip grows because it adapts to
    the layers beside it (https://arxiv.org/abs/2108.04392). One mixture after the other is decided, and stays
    so while the next ones are. Unlike in the paper, weights are not trained in between.

    Args:
        decisions: The probabilities; they are the same again afterwards.
        names: The parameters that are mixtures, in the order in which to decide them.
        weighting: The weighting of accuracy and cost.
        loss_of: Returns the loss of the supernet by the probabilities as they are at the call.
    """
    chosen = {}
    before = decisions.leaning(weighting, {})
    try:
        for name in names:
            logits, losses = decisions.of(name, weighting).detach(), []
            own = logits.clone()
            for place in range(len(own)):
                logits.copy_(own)
                logits[place] = -math.inf
                losses.append(loss_of())
            place = losses.index(max(losses))
            logits.fill_(-math.inf)
            logits[place] = 0.0
            chosen[name] = decisions.values[name][place]
    finally:
        with torch.no_grad():
            decisions.put(weighting, before)
    return chosen
