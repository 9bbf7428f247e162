"""A task of one's own: a generative adversarial network, with two losses and two optimisers.

The searched network is the generator: it turns 16 random numbers into an 8×8 digit. The task owns the
training step, in which a discriminator of its own learns to tell those from real ones (Goodfellow et
al. 2014, with the non-saturating loss), and measures how far the generated digits are from real ones
as a whole. Twenty trials take under a minute, and end at a distance of about 0.2 (noise: 3.3; other
real digits: 0.04):

    optnas run examples/custom_task.py --trials 20
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from optnas import Study, Training, data, minimize, real, spaces, tasks
from optnas.data import Data, Split, Splits
from optnas.tasks import Step

NOISE = 16


def noise_to_digits() -> Data:
    """Return data with random numbers (16,) as inputs and real digits (64,) as targets."""

    def load() -> Splits:
        digits = data.digits().splits
        generator = torch.Generator().manual_seed(0)

        def part(real: Split) -> Split:
            noise = torch.randn(len(real), NOISE, generator=generator)
            return Split(noise, digits.prepare(real.x).flatten(1))

        return Splits(part(digits.train), part(digits.validation), part(digits.test), outputs=64)

    return Data("noise to digits", load)


@dataclasses.dataclass(frozen=True)
class Adversarial(tasks.Task):
    """Two networks that learn against each other; measures ``distance`` (0: generated like real ones)."""

    data: Data
    metrics = ("distance",)
    uses_settings = ("lr",)  # which its step goes by; others are refused, as they would do nothing

    def own_step(self, module: nn.Module, training: Training) -> Step:
        # Dropout and little momentum (Radford et al. 2016) keep it from winning too soon.
        critic = nn.Sequential(
            nn.Linear(self.data.outputs, 128), nn.LeakyReLU(0.2), nn.Dropout(0.5), nn.Linear(128, 1)
        ).to(next(module.parameters()).device)
        optimizers = [torch.optim.Adam(net.parameters(), betas=(0.5, 0.99)) for net in (critic, module)]

        def descend(optimizer: torch.optim.Optimizer, loss: Tensor, rate: float) -> Tensor:
            optimizer.param_groups[0]["lr"] = training.lr * rate
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        def step(noise: Tensor, real: Tensor, rate: float) -> Tensor:
            made = module(torch.randn_like(noise))  # new at every step
            # -log D(real) - log(1 - D(made)), then -log D(made).
            told_apart = (softplus(-critic(real)) + softplus(critic(made.detach()))).mean()
            lost = descend(optimizers[0], told_apart, rate)
            return lost + descend(optimizers[1], softplus(-critic(made)).mean(), rate)

        return step

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Return the energy distance between two samples of digits (Székely & Rizzo 2013)."""

        def apart(a: Tensor, b: Tensor) -> float:
            return torch.cdist(a, b).mean().item()

        return {"distance": 2 * apart(outputs, targets) - apart(outputs, outputs) - apart(targets, targets)}


study = Study(
    name="gan",
    space=spaces.mlp(most=3, widths=(32, 64, 128)),
    task=Adversarial(noise_to_digits()),
    objectives=[minimize("distance"), minimize("flops")],
    training=Training(epochs=27, lr=real(1e-3, 3e-2, log=True), schedule="cosine"),
)
