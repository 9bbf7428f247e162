"""GDAS: one architecture is drawn at each step, and the gradient goes through the draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optnas.one_shot.gradient import GradientStrategy
from optnas.one_shot.learning import Batch

__all__ = ["GDAS"]


class GDAS(GradientStrategy):
    """Search by a differentiable sampler (Dong & Yang 2019, https://arxiv.org/abs/1910.04465).

    At each step a value of every parameter is drawn and only that architecture is computed, so that a step
    takes the time of one architecture and not that of all options. On the edges of a cell, as in the paper,
    the output of the layer that was drawn is multiplied by a number 1 whose gradient is that of its weight in
    Gumbel-softmax (straight through). Elsewhere a norm that follows would hide that number: there, and for
    widths, kernels and repetitions, a few draws are compared on the same samples.

    The arguments are those of :class:`GradientStrategy`.
    """

    def _relaxed(self) -> tuple[frozenset[str], frozenset[str]]:
        return frozenset(), frozenset(self.net.gateable)

    def _slope(self, weighting: int, params: Mapping[str, Any], learned: Batch, judged: Batch) -> None:
        network = self.network(params, weighting).train()
        loss = self._extra(weighting)
        if self.gated:
            loss = loss + self.learning.loss(network, judged)
        if loss.requires_grad:
            loss.backward(inputs=list(self.decisions.parameters()))  # type: ignore[no-untyped-call]
