"""Reinforcement learning: a policy that earns rewards in an environment of gymnasium, by PPO."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from optnas.answers import Actions, Answer
from optnas.data import Data, Split, Splits
from optnas.data.normalize import Normalized, normalized
from optnas.data.trees import Tree, device_of
from optnas.errors import UserError, check_whole
from optnas.tasks._environments import (
    Environment,
    Policy,
    Rollout,
    advantages,
    make,
    played,
    random_policy,
)
from optnas.train.task import Batches, Task
from optnas.train.training import Training

__all__ = ["Reinforcement", "reinforcement"]

# Random play tells what observations and rewards are like: so many steps of so many environments.
_STEPS, _ENVIRONMENTS = 100, 20
_SEEDS = {"train": 0, "validation": 1, "test": 2}
_VALUE, _SMALLEST = 0.5, 1e-8


@dataclasses.dataclass(frozen=True)
class Reinforcement(Task):
    """Reinforcement learning task: proximal policy optimisation (Schulman et al. 2017) of one network.

    The network gets observations, normalised by those of random play, and returns two heads: ``policy``, a
    score of each action, and ``value``, the rewards to come. In training actions are drawn by their scores,
    and measured is the one of the highest score. Measures ``mean_return`` and ``least_return``, over
    ``episodes`` episodes that are the same for all networks; others for the test part.

    An epoch plays ``rollouts`` times ``batches`` batches of steps, in ``environments`` environments that
    begin anew with the epoch, and learns from each ``passes`` times. Rewards are scaled, so that neither
    their unit nor the discount make a difference to the loss.

    Attributes:
        data: Observations of random play, and the first of the episodes to measure by.
        environment: The name of one that gymnasium knows, or a function that makes one.
        environments: Number of environments that are played at once.
        rollouts: Number of times in an epoch that experience is gathered.
        batches: Batches of ``Training(batch_size=…)`` steps that are gathered.
        passes: Times that it is learned from these.
        discount: What a reward is worth a step later (γ).
        trace: How much the surprises of later steps count for an action (λ).
        clip: How far an action's probability may be moved by what is gathered at once, as a share.
        entropy: Weight of the policy's entropy, which keeps it from settling too early.
        best: The best possible return, if known.
        policies: Hand-written policies to compare with, by name.
    """

    data: Data
    environment: Environment
    environments: int = 8
    rollouts: int = 8
    batches: int = 4
    passes: int = 4
    discount: float = 0.99
    trace: float = 0.95
    clip: float = 0.2
    entropy: float = 0.01
    best: float | None = None
    policies: Mapping[str, Policy] = dataclasses.field(default_factory=dict)
    metrics = ("mean_return", "least_return")
    smooths_labels = False

    @property
    def batches_per_epoch(self) -> int:  # type: ignore[override]
        return self.rollouts * self.passes * self.batches

    @property
    def output_shape(self) -> Mapping[str, tuple[int]]:
        return {"policy": (self.data.outputs,), "value": (1,)}

    @property
    def answer(self) -> Answer:
        return Actions()

    def experience(
        self, module: nn.Module, training: Training, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Yield batches of observations, and for each what was done, how likely, and what came of it."""
        gathered = self.batches * training.batch_size
        steps = math.ceil(gathered / self.environments)
        played_by = _Player(module, self, generator)
        try:
            for _ in range(self.rollouts):
                x, targets = self._samples(played_by.rollout(steps))
                for _ in range(self.passes):
                    order = torch.randperm(len(x), generator=generator)[:gathered].to(x.device)
                    for chosen in torch.split(order, training.batch_size):
                        yield x[chosen], {name: each[chosen] for name, each in targets.items()}
        finally:
            played_by.close()

    def _samples(self, rollout: Rollout) -> tuple[Tensor, dict[str, Tensor]]:
        found = advantages(rollout, self.discount, self.trace)
        returns = found + rollout.value[:-1]
        real = found[rollout.real > 0]
        found = (found - real.mean()) / (real.std(correction=0) + _SMALLEST)
        targets = {
            "action": rollout.action,
            "log_probability": rollout.log_probability,
            "advantage": found,
            "return": returns,
            "real": rollout.real,
        }
        return rollout.seen[:-1].flatten(0, 1), {name: each.flatten() for name, each in targets.items()}

    def loss(self, outputs: Tree, targets: Tree, *, label_smoothing: float = 0.0) -> Tensor:
        """Return the policy's clipped objective, the value's squared error and the entropy's part."""
        logs = outputs["policy"].float().log_softmax(dim=1)
        ratio = (logs.gather(1, targets["action"][:, None])[:, 0] - targets["log_probability"]).exp()
        gain = targets["advantage"]
        surrogate = torch.minimum(ratio * gain, ratio.clamp(1 - self.clip, 1 + self.clip) * gain)
        value = (outputs["value"][:, 0].float() - targets["return"]).square()
        entropy = -(logs.exp() * logs).sum(dim=1)
        each = _VALUE * value - surrogate - self.entropy * entropy
        mean: Tensor = (each * targets["real"]).sum() / targets["real"].sum().clamp(min=1)
        return mean

    def evaluate(self, module: nn.Module, batches: Batches) -> dict[str, float]:
        """Return the returns of the likeliest actions in the episodes of a part of the data."""
        device = device_of(batches.targets)

        def policy(observations: Any) -> Any:
            return module(self.prepared(observations, device))["policy"].argmax(dim=1).cpu().numpy()

        return self._measured(policy, int(batches.targets[0]))

    def _measured(self, policy: Policy, seed: int) -> dict[str, float]:
        returns = played(self.environment, policy, seed, self.episodes)
        return {"mean_return": float(returns.mean()), "least_return": float(returns.min())}

    @property
    def episodes(self) -> int:
        """Number of episodes that a network is measured by."""
        return len(self.data.splits.validation)

    def prepared(self, observations: Any, device: torch.device) -> Tensor:
        """Return an environment's observations as the network takes them."""
        prepare = self.data.splits.prepare
        figures = prepare.by if isinstance(prepare, Normalized) else prepare
        found: Tensor = figures(torch.as_tensor(observations)).to(device)
        return found

    @cached_property
    def reward_scale(self) -> float:
        """By what rewards are multiplied: values are then about 1 where those of random play go on."""
        rewards = _random_play(self.environment)[1]
        return (1 - self.discount) / max(float(np.sqrt(np.square(rewards).mean())), _SMALLEST)

    @cached_property
    def chance(self) -> Mapping[str, float]:
        """The return of random actions."""
        return self._measured(random_policy(self.data.outputs, seed=0), _SEEDS["validation"])

    @property
    def ideal(self) -> Mapping[str, float]:
        return {} if self.best is None else dict.fromkeys(self.metrics, self.best)

    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Return what random actions and the hand-written policies earn."""
        own = {name: self._measured(each, _SEEDS["validation"]) for name, each in self.policies.items()}
        return {"random actions": self.chance, **own}


class _Player:
    """Environments that are played by a network as it is trained."""

    def __init__(self, module: nn.Module, task: Reinforcement, generator: torch.Generator) -> None:
        self._module, self._task, self._generator = module, task, generator
        self._device = next(module.parameters()).device
        self._together = make(task.environment, task.environments)
        seed = int(torch.randint(2**31 - 1, (), generator=generator))
        observations, _ = self._together.reset(seed=seed)
        self._x = task.prepared(observations, self._device)
        self._over = np.zeros(task.environments, dtype=bool)

    def close(self) -> None:
        self._together.close()

    def rollout(self, steps: int) -> Rollout:
        """Play ``steps`` steps with the network as it is."""
        found: dict[str, list[Any]] = {field.name: [] for field in dataclasses.fields(Rollout)}
        for _ in range(steps):
            outputs = self._module(self._x)
            logs = outputs["policy"].float().log_softmax(dim=1).cpu()
            action = torch.multinomial(logs.exp(), 1, generator=self._generator)
            found["seen"].append(self._x)
            found["value"].append(outputs["value"][:, 0].float())
            found["action"].append(action[:, 0])
            found["log_probability"].append(logs.gather(1, action)[:, 0])
            found["real"].append(~self._over)
            observations, reward, ended, cut, _ = self._together.step(action[:, 0].numpy())
            self._over = ended | cut
            found["reward"].append(reward * self._task.reward_scale)
            found["ended"].append(ended)
            found["over"].append(self._over)
            self._x = self._task.prepared(observations, self._device)
        found["seen"].append(self._x)
        found["value"].append(self._module(self._x)["value"][:, 0].float())
        return Rollout(**{name: self._stacked(name, each) for name, each in found.items()})

    def _stacked(self, name: str, each: list[Any]) -> Tensor:
        if isinstance(each[0], Tensor):
            return torch.stack(each).to(self._device)
        return torch.from_numpy(np.stack(each)).to(self._device, torch.float32)


def _random_play(environment: Environment) -> tuple[Any, Any, int]:
    """Return observations (samples, …) and rewards (samples,) of random actions, and how many there are."""
    together = make(environment, _ENVIRONMENTS)
    try:
        actions = int(together.single_action_space.n)
        policy = random_policy(actions, seed=0)
        observations, _ = together.reset(seed=_SEEDS["train"])
        seen, rewards = [observations], []
        for _ in range(_STEPS):
            observations, reward, *_ = together.step(policy(observations))
            seen.append(observations)
            rewards.append(reward)
    finally:
        together.close()
    return np.concatenate(seen), np.concatenate(rewards), actions


def _load(environment: Environment, episodes: int) -> Splits:
    seen, _, actions = _random_play(environment)
    together = make(environment, episodes)
    try:
        firsts = [together.reset(seed=_SEEDS[part])[0] for part in ("validation", "test")]
    finally:
        together.close()
    stored, prepare = normalized(np.concatenate([seen, *firsts]), np.arange(len(seen)))
    x = torch.split(stored, [len(seen), episodes, episodes])
    y = [torch.full((len(each),), seed) for each, seed in zip(x, _SEEDS.values(), strict=True)]
    train, validation, test = map(Split, x, y)
    return Splits(train, validation, test, actions, prepare)


def reinforcement(
    environment: Environment,
    *,
    episodes: int = 20,
    environments: int = 8,
    rollouts: int = 8,
    batches: int = 4,
    passes: int = 4,
    discount: float = 0.99,
    trace: float = 0.95,
    clip: float = 0.2,
    entropy: float = 0.01,
    best: float | None = None,
    policies: Mapping[str, Policy] | None = None,
) -> Reinforcement:
    """Return the task of earning rewards in ``environment``, such as ``"CartPole-v1"``.

    Networks end in ``ops.fork(policy=ops.head(), value=ops.head(1))``. ``Training(batch_size=…)`` is the
    steps that an update of the weights is made of, and ``epochs`` says how many are played. Needs gymnasium
    (``pip install 'optnas[reinforcement]'``).

    Args:
        environment: The name of one that gymnasium knows, or a function that makes one; with observations
            that are arrays and actions that are a choice.
        episodes: Number of episodes that a network is measured by.
        environments: Number of environments that are played at once.
        rollouts: Number of times in an epoch that experience is gathered.
        batches: Batches that are gathered each time.
        passes: Times that it is learned from these.
        discount: What a reward is worth a step later (γ), from 0 to below 1.
        trace: How much the surprises of later steps count for an action (λ), from 0 to 1.
        clip: How far an action's probability may be moved by what is gathered at once, as a share.
        entropy: Weight of the policy's entropy, which keeps it from settling too early.
        best: The best possible return, if known; the share of a study's hypervolume goes by it.
        policies: Hand-written policies to compare with, by name: functions from observations
            (environments, …) to an action of each.

    Raises:
        UserError: If a number is out of its range; on first use if gymnasium is not installed, or there is no
            such environment.
    """
    check_whole(
        "reinforcement",
        episodes=episodes,
        environments=environments,
        rollouts=rollouts,
        batches=batches,
        passes=passes,
    )
    shares = {
        "discount": (discount, 0.999999),
        "trace": (trace, 1),
        "clip": (clip, 1),
        "entropy": (entropy, 1e6),
    }
    for name, (value, high) in shares.items():
        if not 0 <= value <= high:
            raise UserError(f"reinforcement({name}={value!r}): it must be from 0 to {high:g}")
    name = (
        environment if isinstance(environment, str) else getattr(environment, "__name__", repr(environment))
    )
    return Reinforcement(
        Data(name, lambda: _load(environment, episodes)),
        environment, environments, rollouts, batches, passes, discount, trace, clip, entropy, best,
        dict(policies or {}),
    )  # fmt: skip
