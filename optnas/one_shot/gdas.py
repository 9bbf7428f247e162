"""GDAS: one architecture is drawn at each step, and the gradient goes through the draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optnas.one_shot.gradient import GradientStrategy
from optnas.one_shot.inherited import Inherited
from optnas.one_shot.learning import Batch

__all__ = ["GDAS"]


class GDAS(GradientStrategy):
    """Search by a differentiable sampler (Dong & Yang 2019, https://arxiv.org/abs/1910.04465).

    At each step a value of every parameter is drawn and only that architecture is computed, so that a step
    takes the time of one architecture and not that of all options. On the edges of a cell, as in the paper,
    the output of the layer that was drawn is multiplied by a number 1 whose gradient is that of its weight in
    Gumbel-softmax (straight through). A norm hides that number: in spaces that have any, and for widths,
    kernels and repetitions, a few draws are compared on the same samples.

    Unlike in the paper, the weights learn from architectures that are drawn evenly: by the probabilities, the
    few that lead early are trained most, and therefore win. In the end architectures, half of them drawn by
    the probabilities and half evenly, are compared on the validation part with the weights that they inherit,
    and each weighting proposes the best of them first.

    The arguments are those of :class:`GradientStrategy`.
    """

    def _relaxed(self) -> tuple[frozenset[str], frozenset[str]]:
        return frozenset(), frozenset(self.net.gateable)

    def _explored(self, weighting: int) -> dict[str, Any]:
        return self.net.drawn(self._rng)

    def _select(self) -> None:
        super()._select()
        inherited = Inherited(
            self.problem, self.net, lambda params, network: self.learning.validation_loss(network)
        )
        weightings = len(self.weightings)
        for turn in range(self._evaluations()):
            weighting, round_ = turn % weightings, turn // weightings
            if round_ == 0:
                inherited.evaluate(self.decisions.derived(weighting))
            else:
                inherited.evaluate(self.drawn(weighting) if round_ % 2 else self.net.drawn(self._rng))
        found = {key: (dict(key), loss) for key, loss in inherited.feasible.items()}
        for weighting in range(weightings) if found else ():
            best = min(found, key=lambda key: self._objective_of(*found[key], weighting))
            self.chosen.put(weighting, self.decisions.leaning(weighting, dict(best)))

    def _slope(self, weighting: int, params: Mapping[str, Any], learned: Batch, judged: Batch) -> None:
        network = self.network(params, weighting).train()
        loss = self._extra(weighting)
        if self.gated:
            loss = loss + self.learning.loss(network, judged)
        if loss.requires_grad:
            loss.backward(inputs=list(self.decisions.parameters()))  # type: ignore[no-untyped-call]
