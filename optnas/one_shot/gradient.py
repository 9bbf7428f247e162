"""Base class of the strategies that learn by gradient how probable each choice should be."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from optnas.one_shot.blended import blended, blends
from optnas.one_shot.decisions import Decisions
from optnas.one_shot.expected_cost import ExpectedCost
from optnas.one_shot.guard import Guard
from optnas.one_shot.learning import Batch
from optnas.one_shot.path import OnSharedWeights
from optnas.one_shot.perturbation import by_perturbation
from optnas.one_shot.problem import Problem
from optnas.one_shot.strategy import Strategy
from optnas.space import Node, SpaceError

__all__ = ["GradientStrategy"]

_TARGETS = (None, 0.8, 0.6, 0.4, 0.2)
_TARGET_WEIGHT = 10.0
"""By default: expected costs above which weightings lose, from 0 for the cheapest to 1 for the dearest."""

# How far a logit gets that moves in one direction at every step: a probability of 0.9999.
_REACH = 10.0
_MOST_RATE = 0.1
# Share of the epochs in which the weights learn alone: before that all options are equally bad.
_WARM_UP = 0.3
_BETAS = (0.5, 0.999)  # of Liu et al. 2019

_MOST_NETWORKS = 128

# Batches on which the guard compares architectures after an epoch.
_GUARD_BATCHES = 4
# Those by which options are selected in the end: at most so many, and so many passes per training step.
_SELECTION_BATCHES, _SELECTION_SHARE = 8, 0.2

# Draws of a parameter that are compared at a step; only the forward pass of each is computed.
_DRAWS = 4

# Temperatures of the draws after the most probable architecture of each weighting.
_TEMPERATURES = (1.0, 2.0, 4.0)


class GradientStrategy(Strategy):
    """Strategy with two levels: shared weights learn on one half of the training part, choices on the other.

    Each step is of one of several weightings of loss and cost, in turn: ``loss + λ · expected log cost``. All
    share the supernet, and each has probabilities of its own, so that one search finds a front.

    Args:
        problem: What is searched for.
        epochs: Passes over half of the training part.
        seed: Seed of everything random.
        weightings: The λ of the weightings, for costs that are 0 for the cheapest and 1 for the dearest
            architecture. By default 0, and four for which only an expected cost above 0.8, 0.6, 0.4 and 0.2
            counts, by its square, so that they spread evenly; 0 alone without a cost.
        guarded: Whether a weighting that collapses to skips is stopped.

    Attributes:
        decisions: The probabilities as they were learned.
        chosen: The probabilities that architectures are proposed by: the same, but of each mixture the
            option that the supernet needs most is the most probable one.
    """

    def __init__(
        self,
        problem: Problem,
        epochs: int,
        seed: int = 0,
        *,
        weightings: Sequence[float] | None = None,
        guarded: bool = True,
    ) -> None:
        super().__init__(problem, epochs, seed)
        self._targets: tuple[float | None, ...] = (None,)
        self.weightings = [0.0]
        if problem.cost_of is not None and weightings is None:
            self._targets = _TARGETS
            self.weightings = [0.0 if target is None else _TARGET_WEIGHT for target in _TARGETS]
        elif problem.cost_of is not None and weightings is not None:
            self._targets, self.weightings = (None,) * len(weightings), [float(each) for each in weightings]
        self.decisions = Decisions(self.net.values, len(self.weightings), seed)
        self.chosen = Decisions(self.net.values, len(self.weightings), seed)
        self.mixed, self.gated = self._relaxed()
        several = [name for name, values in self.net.values.items() if len(values) > 1]
        self.scored = frozenset(several) - self.mixed - self.gated
        self._cost = (
            None if problem.cost_of is None else ExpectedCost(problem.cost_of, self.decisions, self._rng)
        )
        self._guard = Guard(self.net) if guarded else None
        self._steps = self.learning.steps(0)
        steps = (1 - _WARM_UP) * self._steps * epochs / len(self.weightings)
        rate = min(_REACH / steps, _MOST_RATE)
        self._choosing = torch.optim.Adam(self.decisions.parameters(), rate, _BETAS)
        self._networks: OrderedDict[tuple[Any, ...], OnSharedWeights] = OrderedDict()
        self._gates: dict[str, Tensor] = {}
        self._probabilities: dict[str, Tensor] = {}
        self._turn = 0

    @abstractmethod
    def _relaxed(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the choices that are mixtures, and those that are drawn and get their gradient by a gate."""

    @property
    def temperature(self) -> float:
        """The temperature of Gumbel-softmax: from 5 down to 0.5 (Dong & Yang 2019 go from 10 to 0.1)."""
        return float(5.0 * 0.1**self._progress)

    def drawn(self, weighting: int, kept: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Draw a value of each parameter by a weighting's probabilities; those of ``kept`` stay."""
        return {**self.decisions.drawn(self._rng, weighting), **(kept or {})}

    def network(self, params: Mapping[str, Any], weighting: int) -> OnSharedWeights:
        """Return the network of some parameters, with mixtures as a weighting's probabilities say."""
        temperature = self.temperature
        self._gates = {
            name: self.decisions.gate(name, params[name], weighting, temperature, self._rng)
            for name in self.gated
        }
        self._refresh(weighting)
        return self._network_of(params)

    def _network_of(self, params: Mapping[str, Any]) -> OnSharedWeights:
        key = tuple(value for name, value in params.items() if name not in self.mixed)
        if key not in self._networks:
            made = self.net.relaxed(
                params,
                gates={name: partial(self._gate, name) for name in self.gated},
                mixed=self.mixed,
                probabilities=lambda name: self._probabilities[name],
            )
            self._networks[key] = made.to(self.problem.device)
            if len(self._networks) > _MOST_NETWORKS:
                self._networks.popitem(last=False)
        self._networks.move_to_end(key)
        return self._networks[key]

    def _refresh(self, weighting: int) -> None:
        """Compute the probabilities of mixtures anew: they changed, or the graph of those before is spent."""
        self._probabilities = {
            name: self.decisions.probabilities(name, weighting).to(self.problem.device) for name in self.mixed
        }

    def _gate(self, name: str) -> Tensor:
        return self._gates[name].to(self.problem.device)

    def _train_epoch(self) -> float:
        total, count = torch.zeros((), device=self.problem.device), 0
        for learned, judged in zip(self.learning.epoch(0), self._judged(), strict=False):
            weighting = self._turn % len(self.weightings)
            self._turn += 1
            stopped = self._guard is not None and weighting in self._guard.stopped
            if self._progress >= _WARM_UP and not stopped:
                self._choose(weighting, learned, judged)
            with torch.no_grad():
                network = self.network(self._built(partial(self._explored, weighting)), weighting)
            total += self._learn(network, learned, self._steps)
            count += 1
        return float(total) / max(count, 1)

    def _explored(self, weighting: int) -> dict[str, Any]:
        """Draw parameters to train the weights of, every other time evenly: no option falls behind."""
        if self._turn // len(self.weightings) % 2:
            return self.drawn(weighting)
        return self.net.drawn(self._rng)

    def _built(self, draw: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Draw parameters until a network of them can be built."""

        def make() -> dict[str, Any]:
            params = draw()
            self._network_of(params)
            return params

        return self._until_built(make)

    def _judged(self) -> Iterator[Batch]:
        while True:
            yield from self.learning.epoch(1)

    def _choose(self, weighting: int, learned: Batch, judged: Batch) -> None:
        """Do a step of the probabilities of one weighting."""
        self._choosing.zero_grad(set_to_none=True)
        params = self._built(partial(self.drawn, weighting))
        self._slope(weighting, params, learned, judged)
        if self.scored:
            self._score_slope(weighting, params, judged)
        self._choosing.step()

    @abstractmethod
    def _slope(self, weighting: int, params: Mapping[str, Any], learned: Batch, judged: Batch) -> None:
        """Put the gradient by the logits of mixed and gated choices into them, and that of the cost."""

    def _score_slope(self, weighting: int, params: Mapping[str, Any], judged: Batch) -> None:
        """Add the gradient by the logits of all other parameters.

        A few values of them are drawn, on the same samples and with all else equal, and each is compared with
        the others: the gradient of the score function with a leave-one-out baseline (Kool et al. 2019). What
        cannot be built counts as twice as bad as the worst of them.
        """
        kept = {name: value for name, value in params.items() if name not in self.scored}
        drawn = [self.drawn(weighting, kept) for _ in range(_DRAWS)]
        losses = torch.tensor([self._loss_drawn(each, weighting, judged) for each in drawn])
        built = losses[losses.isfinite()]
        if not len(built):
            return
        losses = losses.where(losses.isfinite(), built.max() + built.max().abs())
        better = (losses - (losses.sum() - losses) / (_DRAWS - 1)) / _DRAWS
        for each, weight in zip(drawn, better.tolist(), strict=True):
            values = {name: each[name] for name in self.scored}
            (weight * self.decisions.score(values, weighting)).backward()

    def _loss_drawn(self, params: Mapping[str, Any], weighting: int, judged: Batch) -> float:
        try:
            with torch.no_grad():
                return float(self.learning.loss(self.network(params, weighting).train(), judged))
        except SpaceError:  # cannot be built
            return math.inf

    def _extra(self, weighting: int) -> Tensor:
        """Return what is added to the loss on the samples that judge: the weighted cost."""
        if self._cost is None or not self.weightings[weighting]:
            return torch.zeros((), device=self.problem.device)
        return self._weighted(self._cost(weighting).to(self.problem.device), weighting)

    def _weighted(self, cost: Tensor, weighting: int) -> Tensor:
        weight, target = self.weightings[weighting], self._targets[weighting]
        return weight * cost if target is None else weight * (cost - target).relu().square()

    def _objective_of(self, params: Mapping[str, Any], loss: float, weighting: int) -> float:
        """Return the loss of one architecture with its weighted cost."""
        if self._cost is None or not self.weightings[weighting]:
            return loss
        return loss + float(self._weighted(torch.tensor(self._cost.of(params)), weighting))

    def _end_epoch(self) -> None:
        self._watch()
        if self.epoch == self.epochs:
            self._select()

    def _select(self) -> None:
        """Decide which value of each parameter is proposed first."""
        self.chosen.load_state_dict(self.decisions.state_dict())
        names = [name for name in self.decisions.values if name in self.mixed]
        options = sum(len(self.decisions.values[name]) for name in names) * len(self.weightings)
        if not names:
            return
        count = min(max(self._evaluations() // options, 1), _SELECTION_BATCHES)
        batches = list(itertools.islice(self._judged(), count))
        for weighting in range(len(self.weightings)):
            try:
                network = self.network(self.decisions.derived(weighting), weighting).train()
            except SpaceError:  # cannot be built: proposals are drawn
                continue
            selected = by_perturbation(
                self.decisions, names, weighting, partial(self._relaxed_loss, network, weighting, batches)
            )
            if self._guard is not None and self._guard.forbids(weighting, selected):
                continue
            self.chosen.put(weighting, self.decisions.leaning(weighting, selected))

    def _evaluations(self) -> int:
        """Return how many evaluations the selection may take: a share of the steps of the training."""
        return max(int(_SELECTION_SHARE * self._steps * self.epochs), len(self.weightings))

    def _relaxed_loss(self, network: OnSharedWeights, weighting: int, batches: Sequence[Batch]) -> float:
        """Return the loss of a network with mixtures, with the weighted cost."""
        self._refresh(weighting)
        with torch.no_grad():
            losses = [float(self.learning.loss(network, batch)) for batch in batches]
            return statistics.fmean(losses) + float(GradientStrategy._extra(self, weighting))

    def _watch(self) -> None:
        """Let the guard look at the weightings that search for accuracy alone."""
        if self._guard is None or self._progress <= _WARM_UP:
            return
        batches = list(itertools.islice(self._judged(), _GUARD_BATCHES))
        for weighting in (place for place, cost in enumerate(self.weightings) if not cost):
            told = self._guard.look(
                self.decisions, weighting, self.epoch, lambda params: self._loss_of(params, batches)
            )
            if told:
                self.told.append(told)

    def _loss_of(self, params: Mapping[str, Any], batches: Sequence[Batch]) -> float:
        try:
            network = self.net.path(params).to(self.problem.device).train()  # statistics of the batch
        except SpaceError:  # cannot be built
            return math.inf
        with torch.no_grad():
            return statistics.fmean(float(self.learning.loss(network, batch)) for batch in batches)

    def proposals(self, rng: random.Random) -> Iterator[dict[str, Any]]:
        everyone = range(len(self.weightings))
        for weighting in everyone:
            yield self.chosen.derived(weighting)
        for round_ in range(10**6):
            for weighting in everyone:
                yield self.chosen.drawn(
                    rng, weighting, _TEMPERATURES[min(round_ // 8, len(_TEMPERATURES) - 1)]
                )

    def mixtures(self) -> list[Node]:
        if not self.mixed.issuperset(blends(self.net)) or not blends(self.net):
            return []
        return [
            blended(
                self.net,
                self.decisions.derived(weighting),
                lambda name: self.decisions.probabilities(name, weighting),  # noqa: B023 - called at once
            )
            for weighting in range(len(self.weightings))
        ]

    def state(self) -> dict[str, Any]:
        return {
            **super().state(),
            "decisions": self.decisions.state_dict(),
            "chosen": self.chosen.state_dict(),
            "choosing": self._choosing.state_dict(),
            "turn": self._turn,
            "guard": {} if self._guard is None else self._guard.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._networks.clear()
        self.decisions.load_state_dict(state["decisions"])
        self.chosen.load_state_dict(state["chosen"])
        self._choosing.load_state_dict(state["choosing"])
        self._turn = state["turn"]
        if self._guard is not None:
            self._guard.restore(state["guard"])
