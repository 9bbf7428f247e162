"""Generative adversarial networks: a generator learns from a critic that learns against it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from optnas.answers import Answer, Generated
from optnas.data import Data, Split, Splits
from optnas.data.schemas import Noise
from optnas.errors import UserError, check_whole
from optnas.space.shapes import AnyShape, numbers_in
from optnas.tasks._generated import Real
from optnas.train.endings import misfit_of
from optnas.train.task import Step, Task
from optnas.train.training import Training

__all__ = ["Adversarial", "adversarial"]


@dataclasses.dataclass(frozen=True)
class Adversarial(Task):
    """Generation by an adversarial network (Goodfellow et al. 2014, with the non-saturating loss).

    The searched network is the generator, from random numbers to samples; a fixed critic, two layers that
    tell real samples from generated ones, learns beside it. The step is the task's own: Adam with little
    momentum (Radford et al. 2016) at the training's learning rate and schedule; a training that was stopped
    goes on with its critic and optimisers. Measures ``frechet``: the distance of generated samples to the
    validation part, 0 if alike.

    Attributes:
        data: Random numbers, with real samples as targets.
        real: The real samples.
        critic_width: Features of the critic's hidden layer.
    """

    data: Data
    real: Real
    critic_width: int = 128
    metrics = ("frechet",)
    smooths_labels = False
    uses_settings = ("lr",)

    @property
    def output_shape(self) -> None:
        return None  # either of two: see misfit

    def misfit(self, shape: AnyShape) -> str | None:
        """Return in words that a sample is made as all its numbers in a row, or in its own shape."""
        return misfit_of(shape, [(self.data.outputs,), self.real.data.shape], {})

    @property
    def answer(self) -> Answer:
        return Generated(self.real.data.schema)

    def own_step(self, module: nn.Module, training: Training) -> Step:
        return _Step(self, module, training)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Return the distance of generated samples to real ones, both (samples, …)."""
        return {"frechet": self.real.distance(self.flat(outputs, targets).float(), targets)}

    @staticmethod
    def flat(made: Tensor, real: Tensor) -> Tensor:
        """Return generated samples as (batch, numbers), of as many numbers as real ones have."""
        if made[0].numel() != real[0].numel():
            raise UserError(
                f"a generator makes {real[0].numel()} numbers, as many as a sample has, not"
                f" {tuple(made.shape[1:])}: end the space with head, or in the shape of a sample"
            )
        return made.flatten(1)

    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Return what samples of a Gaussian have that is fitted to the training part."""
        return {"a Gaussian fitted to the training part": {"frechet": self.real.gaussian}}

    @property
    def chance(self) -> Mapping[str, float]:
        return {"frechet": self.real.mean}

    @property
    def ideal(self) -> Mapping[str, float]:
        return {"frechet": 0.0}

    def at_chance(self, metrics: Mapping[str, float]) -> str | None:
        if metrics["frechet"] < self.real.mean:
            return None
        return (
            f"frechet {metrics['frechet']:.4g} is at chance: the mean sample alone has {self.real.mean:.4g}"
        )

    def check(self) -> None:
        self.real.check()


class _Step:
    """A step of the critic and one of the generator; its state is the critic and both optimisers."""

    def __init__(self, task: Adversarial, module: nn.Module, training: Training) -> None:
        self._task, self._module, self._training = task, module, training
        # Dropout keeps it from winning too soon.
        self._critic = nn.Sequential(
            nn.Linear(task.data.outputs, task.critic_width),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.5),
            nn.Linear(task.critic_width, 1),
        ).to(next(module.parameters()).device)
        self._optimizers = {
            name: torch.optim.Adam(net.parameters(), betas=(0.5, 0.99))
            for name, net in (("critic", self._critic), ("generator", module))
        }

    def __call__(self, noise: Tensor, real: Tensor, rate: float) -> Tensor:
        made = self._task.flat(self._module(torch.randn_like(noise)), real)  # new noise at every step
        # -log D(real) - log(1 - D(made)), then -log D(made).
        told_apart = softplus(-self._critic(real.flatten(1))) + softplus(self._critic(made.detach()))
        lost = self._descend("critic", told_apart.mean(), rate)
        return lost + self._descend("generator", softplus(-self._critic(made)).mean(), rate)

    def _descend(self, name: str, loss: Tensor, rate: float) -> Tensor:
        optimizer = self._optimizers[name]
        optimizer.param_groups[0]["lr"] = self._training.lr * rate
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        optimizers = {name: each.state_dict() for name, each in self._optimizers.items()}
        return {"critic": self._critic.state_dict(), "optimizers": optimizers}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._critic.load_state_dict(state["critic"])
        for name, each in self._optimizers.items():
            each.load_state_dict(state["optimizers"][name])


def adversarial(data: Data, *, noise: int = 16, critic_width: int = 128) -> Adversarial:
    """Return the task of generating samples like those of ``data``, such as pictures, by a GAN.

    Args:
        data: Samples of numbers, held in memory; their targets are not used.
        noise: Random numbers that a generator makes a sample of.
        critic_width: Features of the critic's hidden layer.

    Raises:
        UserError: If a number is below 1; on first use of the data if it is of another kind.
    """
    check_whole("adversarial", noise=noise, critic_width=critic_width)
    real = Real(data)

    def load() -> Splits:
        real.check()
        generator = torch.Generator().manual_seed(0)

        def part(name: str) -> Split:
            samples = real.part(name)
            return Split(torch.randn(len(samples), noise, generator=generator), samples)

        made = Noise((noise,))
        return Splits(
            part("train"), part("validation"), part("test"), outputs=numbers_in(data.shape), schema=made
        )

    return Adversarial(Data(f"noise to {data.name}", load), real, critic_width)
