"""GDAS: one architecture is drawn at each step, and the gradient goes through the draw."""

from __future__ import annotations

from optnas.one_shot.gradient import GradientStrategy
from optnas.one_shot.learning import Batch

__all__ = ["GDAS"]


class GDAS(GradientStrategy):
    """Search by a differentiable sampler (Dong & Yang 2019, https://arxiv.org/abs/1910.04465).

    At each step a value of every parameter is drawn by Gumbel-softmax and only that architecture is computed,
    so that a step takes the time of one architecture and not that of all options. The output of what a value
    acts on is multiplied by a number 1 whose gradient is that of the value's weight (straight through). So it
    takes any
    parameter: ops, widths, kernels, repetitions.

    The arguments are those of :class:`GradientStrategy`.
    """

    def _slope(self, weighting: int, learned: Batch, judged: Batch) -> None:
        network = self.network(weighting).train()
        loss = self.learning.loss(network, judged) + self._extra(weighting)
        loss.backward(inputs=list(self.decisions.parameters()))  # type: ignore[no-untyped-call]
