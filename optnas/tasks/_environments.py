"""Environments of gymnasium, several at once: what a policy earns, and what it meets as it learns."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optnas.errors import UserError
from optnas.interrupts import stopping

__all__ = ["Environment", "Policy", "Rollout", "advantages", "make", "played", "random_policy"]

Array = NDArray[Any]
Environment = str | Callable[[], Any]
Policy = Callable[[Array], Array]
"""From observations (environments, …) to an action of each."""

# An episode without a limit of its own ends here.
_MOST_STEPS = 10_000


def make(environment: Environment, count: int) -> Any:
    """Return ``count`` environments as one of gymnasium's ``VectorEnv``, with actions from 0 on.

    One that has ended begins anew at the next step, whatever the action (``AutoresetMode.NEXT_STEP``).

    Raises:
        UserError: If gymnasium is not installed, there is no such environment, or its observations are no
            arrays of numbers or its actions no choice among several.
    """
    try:
        gymnasium = importlib.import_module("gymnasium")
    except ImportError:
        raise UserError("environments need gymnasium: pip install 'optnas[reinforcement]'") from None
    usual = gymnasium.vector.AutoresetMode.NEXT_STEP
    try:
        if isinstance(environment, str):
            made = gymnasium.make_vec(environment, num_envs=count)
            if made.metadata.get("autoreset_mode") is not usual:
                made.close()
                made = gymnasium.make_vec(environment, num_envs=count, vectorization_mode="sync")
        else:
            made = gymnasium.vector.SyncVectorEnv([environment] * count)
    except gymnasium.error.Error as error:
        raise UserError(f"environment {environment!r}: {error}") from None
    spaces, seen, acts = gymnasium.spaces, made.single_observation_space, made.single_action_space
    if not isinstance(seen, spaces.Box) or not isinstance(acts, spaces.Discrete) or acts.start != 0:
        made.close()
        raise UserError(
            f"environment {environment!r}: observations must be arrays (Box) and actions a choice (Discrete,"
            f" from 0 on), not {seen} and {acts}: wrap it, such as by gymnasium.wrappers.FlattenObservation"
        )
    return made


def random_policy(actions: int, seed: int) -> Policy:
    """Return the policy of random actions."""
    rng = np.random.default_rng(seed)
    return lambda observations: rng.integers(actions, size=len(observations))


def played(environment: Environment, policy: Policy, seed: int, episodes: int) -> Array:
    """Return the sum of rewards of each of several episodes, which are the same for the same ``seed``."""
    together = make(environment, episodes)
    try:
        observations, _ = together.reset(seed=seed)
        total, over = np.zeros(episodes), np.zeros(episodes, dtype=bool)
        for _ in range(_MOST_STEPS):
            stopping.check()
            observations, reward, ended, cut, _ = together.step(policy(observations))
            total += np.where(over, 0.0, reward)
            over |= ended | cut
            if over.all():
                break
    finally:
        together.close()
    return total


@dataclasses.dataclass(frozen=True)
class Rollout:
    """Experience of several environments over some steps, tensors of shape (steps, environments, …).

    Attributes:
        seen: Observations, prepared for the network, with one more step than the others.
        action: What was done, whole numbers.
        log_probability: The logarithm of its probability then.
        value: The value that the network gave to the observations, with one more step.
        reward: What was got for it.
        ended: Whether the episode ended by it, so that there is no later reward.
        over: Whether it ended, or was cut off at its limit.
        real: 0 where an action only began the next episode, and 1 elsewhere.
    """

    seen: Tensor
    action: Tensor
    log_probability: Tensor
    value: Tensor
    reward: Tensor
    ended: Tensor
    over: Tensor
    real: Tensor


def advantages(rollout: Rollout, discount: float, trace: float) -> Tensor:
    """Return by how much each action was better than expected (Schulman et al. 2016), (steps, environments).

    Args:
        rollout: What was met.
        discount: What a reward is worth a step later (γ).
        trace: How much later surprises count (λ).
    """
    found = torch.zeros_like(rollout.reward)
    later = torch.zeros_like(rollout.reward[0])
    for t in reversed(range(len(found))):
        expected = rollout.value[t + 1] * (1 - rollout.ended[t])
        surprise = rollout.reward[t] + discount * expected - rollout.value[t]
        later = surprise + discount * trace * (1 - rollout.over[t]) * later
        found[t] = later
    return found
