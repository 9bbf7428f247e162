"""DARTS: choices as mixtures of their options, whose weights are learned on a second half of the samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from optnas.one_shot.gradient import GradientStrategy
from optnas.one_shot.hypergradient import hypergradient
from optnas.one_shot.learning import Batch
from optnas.one_shot.problem import Problem

__all__ = ["DARTS", "BetaDARTS"]


class DARTS(GradientStrategy):
    """Differentiable architecture search (Liu et al. 2019, https://arxiv.org/abs/1806.09055).

    Every choice between layers is the sum of its options, weighted by softmax; every repetition the sum of
    what comes out after each number of copies. Weights descend on one half of the training part and choices
    on the other, step by step. In the end the option of each choice is kept without which the supernet is
    worst (:func:`~optnas.one_shot.perturbation.by_perturbation`), where the paper keeps the most probable
    one. Widths, kernels and what else cannot be summed are drawn, and draws are compared.

    Args:
        problem: What is searched for.
        epochs: Passes over half of the training part.
        seed: Seed of everything random.
        order: 1 for the gradient at the current weights; 2 for that through a step of the weights, which
            takes about three times as long.
        weightings: The λ of the weightings, as of :class:`GradientStrategy`.
        guarded: Whether a weighting that collapses to skips is stopped.
    """

    def __init__(
        self,
        problem: Problem,
        epochs: int,
        seed: int = 0,
        *,
        order: int = 1,
        weightings: Sequence[float] | None = None,
        guarded: bool = True,
    ) -> None:
        super().__init__(problem, epochs, seed, weightings=weightings, guarded=guarded)
        self._order = order

    def _relaxed(self) -> tuple[frozenset[str], frozenset[str]]:
        return frozenset(self.net.mixable), frozenset()

    def _slope(self, weighting: int, params: Mapping[str, Any], learned: Batch, judged: Batch) -> None:
        network = self.network(params, weighting).train()
        if self._order == 1:
            loss = self.learning.loss(network, judged) + self._extra(weighting)
            loss.backward(inputs=list(self.decisions.parameters()))  # type: ignore[no-untyped-call]
            return
        logits = list(self.decisions.parameters())
        weights = list(network.parameters())
        velocity: list[Any] = [self._optimizer.state[weight].get("momentum_buffer") for weight in weights]
        training = self.problem.training

        def judging() -> Tensor:
            self._refresh(weighting)
            return self.learning.loss(network, judged) + self._extra(weighting)

        found = hypergradient(
            logits,
            weights,
            lambda: self.learning.loss(network, learned),
            judging,
            self.rate(self._steps),
            training.weight_decay,
            velocity,
            training.momentum if training.optimizer == "sgd" else 0.0,
        )
        for logit, slope in zip(logits, found, strict=True):
            logit.grad = slope


class BetaDARTS(DARTS):
    """DARTS whose probabilities are kept from running away (Ye et al. 2022, https://arxiv.org/abs/2203.01665).

    The mean over the choices of log Σ exp(logits) is added to the loss, with a weight that rises from 0 to
    ``decay``. That keeps options from suppressing each other by the size of their logits alone, by which
    DARTS collapses.

    Args:
        problem: What is searched for.
        epochs: Passes over half of the training part.
        seed: Seed of everything random.
        decay: The weight at the end; the paper's 50 is for logits that move by 3e-4 a step.
        weightings: The λ of the weightings, as of :class:`GradientStrategy`.
        guarded: Whether a weighting that collapses to skips is stopped.
    """

    def __init__(
        self,
        problem: Problem,
        epochs: int,
        seed: int = 0,
        *,
        decay: float = 0.1,
        weightings: Sequence[float] | None = None,
        guarded: bool = True,
    ) -> None:
        super().__init__(problem, epochs, seed, weightings=weightings, guarded=guarded)
        self._decay = decay

    def _extra(self, weighting: int) -> Tensor:
        sums = [self.decisions.of(name, weighting).logsumexp(0) for name in self.mixed]
        if not sums:
            return super()._extra(weighting)
        beta = torch.stack(sums).mean().to(self.problem.device)
        return super()._extra(weighting) + self._decay * self._progress * beta
