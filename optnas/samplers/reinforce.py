"""REINFORCE: a policy over the parameters, trained by policy gradient."""

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

# A number with many values is chosen in two steps: first one of so many equal parts of its range, then a
# value in it.
_PARTS = 8
_DRAWS = 100


class ReinforceSampler(CandidateSampler):
    """REINFORCE sampler, whose policy is a softmax over the options of each active parameter.

    After Zoph & Le 2016 (https://arxiv.org/abs/1611.01578), with a table of logits in place of their
    recurrent network, as a search of some hundred trials is too short to train more. A conditional
    parameter is sampled, and learned, only where it is active. Rewards are ranks: the share of the trials
    so far that a trial is better than, by non-domination rank for several objectives; so neither the
    objectives' scales nor outliers matter. The baseline is a moving average of the rewards, and an entropy
    bonus keeps the policy from converging early.

    The policy is a fold over the finished trials in the order in which they ended. Trials that it did not
    propose update it as well.

    Example:

        .. code::

            study = optuna.create_study(sampler=ReinforceSampler(seed=0))

    Args:
        domain: The search space; by default the parameters that the study's trials had so far.
        learning_rate: Step size of one trial's update of the logits.
        entropy: The weight of the policy's entropy against the reward.
        memory: The share of the baseline that a trial leaves unchanged.
        seed: Seed of all randomness; by default a new one for each sampler.

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
    """Logits of every parameter's options, updated by one trial after another."""

    def __init__(self, domain: Domain, learning_rate: float, entropy: float, memory: float) -> None:
        self.domain = domain
        self.folded: list[int] = []
        self._learning_rate = learning_rate
        self._entropy = entropy
        self._memory = memory
        self._logits = {name: np.zeros(_options(d)) for name, d in domain.distributions.items()}
        # Trials by their amount of training, ranked among those of the same amount.
        self._told: defaultdict[float, Ranking] = defaultdict(Ranking)
        self._baseline = 0.5

    def probabilities(self, name: str) -> NDArray[np.float64]:
        """Return the probability of each option of a parameter, shape (options,)."""
        logits = self._logits[name]
        shares = np.exp(logits - logits.max())
        return np.asarray(shares / shares.sum())

    def drawn(self, name: str, distribution: BaseDistribution, rng: random.Random) -> Any:
        """Draw a value of a parameter from the policy."""
        option = rng.choices(range(_options(distribution)), self.probabilities(name).tolist())[0]
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices[option]
        # Uniform within the part, on the number's scale. A narrow part may hold no whole number.
        for _ in range(_DRAWS):
            value = draw(distribution, rng)
            if _option(distribution, value) == option:
                break
        return value

    def fold(self, observation: Observation) -> None:
        """Update the logits by the policy gradient of a trial's reward."""
        reward = self._reward(observation)
        advantage = reward - self._baseline
        self._baseline = self._memory * self._baseline + (1 - self._memory) * reward
        for name, value in observation.params.items():
            distribution = self.domain.distributions[name]
            if not fits(distribution, value):
                continue  # from a trial with another range of the parameter
            shares = self.probabilities(name)
            chosen = np.zeros_like(shares)
            chosen[_option(distribution, value)] = 1.0
            # d entropy / d logit_i = -p_i (log p_i + entropy)
            logs = np.log(np.maximum(shares, 1e-12))
            of_entropy = -shares * (logs - np.sum(shares * logs))
            step = advantage * (chosen - shares) + self._entropy * of_entropy
            self._logits[name] = self._logits[name] + self._learning_rate * step

    def _reward(self, observation: Observation) -> float:
        """Return the share of the trials so far that this one is better than; 0 if it failed."""
        reached = observation.reached
        if reached is None:
            return 0.0
        values = observation.values if reached == math.inf else observation.rungs[int(reached)]
        self._told[reached].put(observation.number, values)
        count = sum(map(len, self._told.values()))
        if count == 1:
            return self._baseline
        less = sum(len(told) for other, told in self._told.items() if other < reached)
        return (less + self._told[reached].count_worse(observation.number)) / (count - 1)


def _options(distribution: BaseDistribution) -> int:
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    low, high, step = distribution.low, distribution.high, distribution.step  # type: ignore[attr-defined]
    return _PARTS if step is None else min(_PARTS, round((high - low) / step) + 1)


def _option(distribution: Any, value: Any) -> int:
    """Return the index of a value's option: its category, or the part of the range that it lies in."""
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
