"""REINFORCE: a policy over the holes, moved towards what was rewarded."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import Study

from optnas.errors import UserError
from optnas.pareto.ranking import Ranking
from optnas.samplers.base import CandidateSampler
from optnas.samplers.domain import Domain, fits
from optnas.samplers.history import History, Observation, follow
from optnas.space.closing import draw

__all__ = ["ReinforceSampler"]

# A number without few values is chosen by which of so many equal parts of its range it is in.
_PARTS = 8
_DRAWS = 100


class ReinforceSampler(CandidateSampler):
    """Learns a policy by its gradient: a softmax over the options of each hole that is asked for.

    After Zoph & Le 2016 (https://arxiv.org/abs/1611.01578), with a table of logits in the place of their
    recurrent network, as a search of some hundred trials has no more to learn from. A hole below a choice
    is asked for, and learned, only where that choice opened it. Rewards are ranks: the share of the trials
    so far that a trial is better than, by non-domination rank for several objectives; so neither the
    objectives' scales nor outliers matter. The baseline is a moving average of the rewards, and an entropy
    bonus keeps the policy from closing early.

    The policy is a fold over the finished trials in the order of their ends. Trials that it did not propose
    move it as well.

    Example:

        .. code::

            study = optuna.create_study(sampler=ReinforceSampler(seed=0))

    Args:
        domain: What may be proposed; by default the parameters that the study's trials had so far.
        learning_rate: How far one trial moves the logits.
        entropy: The weight of the policy's entropy against the reward.
        memory: The share of the baseline that a trial leaves as it was.
        seed: Of everything random; by default a new one for each sampler.

    Raises:
        UserError: If a number is out of its range.
    """

    def __init__(
        self,
        domain: Domain | None = None,
        *,
        learning_rate: float = 1.0,
        entropy: float = 0.01,
        memory: float = 0.9,
        seed: int | None = None,
    ) -> None:
        super().__init__(domain, seed=seed)
        if learning_rate <= 0 or entropy < 0 or not 0 <= memory < 1:
            raise UserError(
                "reinforce: learning_rate is positive, entropy not negative, and memory from 0 to below 1"
            )
        self._settings = learning_rate, entropy, memory
        self._policy: _Policy | None = None

    def propose(self, study: Study, domain: Domain, history: History, rng: random.Random) -> dict[str, Any]:
        policy = self.policy(domain, history)
        return domain.decided(lambda name, distribution: policy.drawn(name, distribution, rng))

    def policy(self, domain: Domain, history: History) -> _Policy:
        """Return the policy after all finished trials."""
        self._policy = follow(self._policy, self._begin, domain, history)
        return self._policy

    def _begin(self, domain: Domain) -> _Policy:
        return _Policy(domain, *self._settings)


class _Policy:
    """The logits of every hole's options: a fold over the trials."""

    def __init__(self, domain: Domain, learning_rate: float, entropy: float, memory: float) -> None:
        self.domain = domain
        self.folded: list[int] = []
        self._learning_rate = learning_rate
        self._entropy = entropy
        self._memory = memory
        self._logits = {name: np.zeros(_options(d)) for name, d in domain.distributions.items()}
        # Those that were trained as much, by that.
        self._told: defaultdict[float, Ranking] = defaultdict(Ranking)
        self._baseline = 0.5

    def probabilities(self, name: str) -> NDArray[np.float64]:
        """Return the probability of each option of a hole, shape (options,)."""
        logits = self._logits[name]
        shares = np.exp(logits - logits.max())
        return np.asarray(shares / shares.sum())

    def drawn(self, name: str, distribution: BaseDistribution, rng: random.Random) -> Any:
        """Return a value of a hole."""
        option = rng.choices(range(_options(distribution)), self.probabilities(name).tolist())[0]
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices[option]
        # Uniform within the part, on the number's scale. Narrow parts may hold no whole number.
        for _ in range(_DRAWS):
            value = draw(distribution, rng)
            if _option(distribution, value) == option:
                break
        return value

    def fold(self, observation: Observation) -> None:
        """Move the logits by the gradient of the reward that a trial had."""
        reward = self._reward(observation)
        advantage = reward - self._baseline
        self._baseline = self._memory * self._baseline + (1 - self._memory) * reward
        for name, value in observation.params.items():
            distribution = self.domain.distributions[name]
            if not fits(distribution, value):
                continue  # of a time when the range was another
            shares = self.probabilities(name)
            chosen = np.zeros_like(shares)
            chosen[_option(distribution, value)] = 1.0
            # d entropy / d logit_i = -p_i (log p_i + entropy)
            logs = np.log(np.maximum(shares, 1e-12))
            of_entropy = -shares * (logs - np.sum(shares * logs))
            step = advantage * (chosen - shares) + self._entropy * of_entropy
            self._logits[name] = self._logits[name] + self._learning_rate * step

    def _reward(self, observation: Observation) -> float:
        """Return the share of the trials so far that this one is better than; 0 where it failed."""
        reached = observation.reached
        if reached is None:
            return 0.0
        values = observation.values if reached == math.inf else observation.rungs[int(reached)]
        self._told[reached].put(observation.number, values)
        count = sum(map(len, self._told.values()))
        if count == 1:
            return self._baseline
        less = sum(len(told) for other, told in self._told.items() if other < reached)
        return (less + self._told[reached].behind(observation.number)) / (count - 1)


def _options(distribution: BaseDistribution) -> int:
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    low, high, step = distribution.low, distribution.high, distribution.step  # type: ignore[attr-defined]
    return _PARTS if step is None else min(_PARTS, round((high - low) / step) + 1)


def _option(distribution: Any, value: Any) -> int:
    """Return which option a value is: of a category itself, of a number the part of its range."""
    if isinstance(distribution, CategoricalDistribution):
        return int(distribution.to_internal_repr(value))
    low, high = distribution.low, distribution.high
    if distribution.step is not None and not distribution.log:
        high = high + distribution.step  # each step is as wide as the others
    if distribution.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    if high <= low:
        return 0
    options = _options(distribution)
    return min(int((value - low) / (high - low) * options + 1e-9), options - 1)
