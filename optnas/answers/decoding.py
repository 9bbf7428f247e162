"""Decoding: sequences that a trained encoder-decoder finds, by greedy or beam search."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn

from optnas.data.tokens import BEGIN, END, PADDING
from optnas.ops.stepwise import NotStepwiseError, Stepwise

__all__ = ["beam_search"]


def beam_search(
    module: nn.Module,
    source: Tensor,
    length: int,
    *,
    beams: int = 4,
    begin: int = BEGIN,
    end: int = END,
    padding: int = PADDING,
    cached: bool | None = None,
) -> Tensor:
    """Return the likeliest target of each source that a beam search finds: tokens (batch, length).

    The network is given ``{"source": …, "target": …}`` and returns logits (batch, length, tokens); the target
    holds what has been decided, shifted right, so position t must only depend on what is up to t. Hypotheses
    compare by their mean log-likelihood a token. Behind the end a target is filled up.

    Args:
        module: The network, such as ``optnas.load`` returns it.
        source: Tokens of the sources, shape (batch, source length), as the data has them.
        length: The length of targets that the network was built for.
        beams: Hypotheses to keep of each; 1 for greedy search.
        begin: The token before a target's first.
        end: The token behind its last.
        padding: The token that fills targets up.
        cached: Whether each position is computed once, by what is kept of those before it (keys and values
            of attention, states), and the source once, and not all positions anew at every step. By default
            where the network consists of ops for which that is known: both find the same, up to rounding.

    Raises:
        ValueError: If ``beams`` or ``length`` is below 1, or ``cached`` and the network cannot be computed
            position by position.
    """
    if beams < 1 or length < 1:
        raise ValueError(f"beam_search(length={length}, beams={beams}): both must be at least 1")
    stepwise = None if cached is False else _stepwise(module, needed=cached is True)
    with stepwise or nullcontext():
        return _searched(module, source, length, beams, (begin, end, padding), stepwise)


def _stepwise(module: nn.Module, needed: bool) -> Stepwise | None:
    try:
        return Stepwise(module, "target")
    except NotStepwiseError:
        if needed:
            raise
        return None


def _searched(
    module: nn.Module,
    source: Tensor,
    length: int,
    beams: int,
    words: tuple[int, int, int],
    stepwise: Stepwise | None,
) -> Tensor:
    begin, end, padding = words
    count, device = len(source), source.device
    sources = source.repeat_interleave(beams, dim=0)
    found = torch.full((count * beams, length + 1), padding, dtype=source.dtype, device=device)
    found[:, 0] = begin
    # At first all hypotheses are the same: only one of them may go on.
    scores = torch.full((count, beams), -torch.inf, device=device)
    scores[:, 0] = 0
    lengths = torch.zeros(count, beams, device=device)
    ended = torch.zeros(count, beams, dtype=torch.bool, device=device)
    for step in range(length):
        if stepwise is None:
            logits = module({"source": sources, "target": found[:, :-1]})[:, step].float()
        else:
            logits = stepwise({"source": sources, "target": found[:, step : step + 1]})[:, 0].float()
        gains = logits.log_softmax(dim=1).view(count, beams, -1)
        gains[..., padding] = -torch.inf
        # What has ended goes on with padding alone, and gains nothing.
        stays = torch.full_like(gains, -torch.inf)
        stays[..., padding] = 0
        gains = torch.where(ended[..., None], stays, gains)
        totals = scores[..., None] + gains
        longer = (lengths + ~ended)[..., None]
        tokens = gains.shape[2]
        best = (totals / longer).flatten(1).topk(beams, dim=1).indices
        parent, token = best // tokens, best % tokens
        scores = totals.flatten(1).gather(1, best)
        lengths = longer[..., 0].gather(1, parent)
        rows = (torch.arange(count, device=device)[:, None] * beams + parent).flatten()
        found = found[rows]
        if stepwise is not None:
            stepwise.reorder(rows)
        found[:, step + 1] = token.flatten().to(found.dtype)
        ended = ended.gather(1, parent) | (token == end)
        if bool(ended.all()):
            break
    likeliest = (scores / lengths).argmax(dim=1)
    return found.view(count, beams, -1)[torch.arange(count, device=device), likeliest, 1:]
