"""Diffusion: generate samples by taking the noise out of noise, step by step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from optnas.answers import Answer, Generated
from optnas.answers.denoising import ddim, kept_signal
from optnas.data import Data, Split, Splits
from optnas.data.schemas import Noise
from optnas.data.sending import sent
from optnas.errors import UserError
from optnas.space.shapes import AnyShape, numbers_in
from optnas.tasks._generated import Real
from optnas.train.endings import misfit_of
from optnas.train.task import Batches, Task
from optnas.train.training import Training

__all__ = ["Diffusion", "diffusion"]

_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Diffusion(Task):
    """Diffusion task: mean squared error of the noise in noised samples (Ho et al. 2020, equation 14).

    Inputs are ``x``, noised samples, and ``t``, the level of noise, a whole number below ``steps`` that an
    embedding takes; a network puts out the noise, as many numbers as ``x`` has. Samples, levels and noise are
    drawn anew for each batch, from the training's own generator, so a resumed training draws the same.
    Measures ``frechet`` (distance of generated samples to the validation part, 0 if alike) and ``loss`` (of
    the validation part with noise that is the same for all networks).

    Attributes:
        data: Noised samples and their noise.
        real: The samples without noise.
        steps: Levels of noise, which generating takes as many steps for.
    """

    data: Data
    real: Real
    steps: int = 50
    metrics = ("frechet", "loss")
    smooths_labels = False

    @property
    def context(self) -> Mapping[str, Any]:
        return {"outputs": self.data.outputs, "vocabulary": self.steps}

    @property
    def output_shape(self) -> None:
        return None  # either of two: see misfit

    def misfit(self, shape: AnyShape) -> str | None:
        """Return in words that noise is told as all numbers in a row, or in the shape of a sample."""
        return misfit_of(shape, [(self.data.outputs,), self.real.data.shape], {})

    @property
    def answer(self) -> Answer:
        return Generated(self.real.data.schema, self.steps, self._most)

    @property
    def batches_per_epoch(self) -> int:  # type: ignore[override]
        """The number of batches of 32 samples in the training part."""
        return max(1, len(self.data.splits.train) // _BATCH)

    def experience(
        self, module: nn.Module, training: Training, generator: torch.Generator
    ) -> Iterator[tuple[Any, Any]]:
        device = next(module.parameters()).device
        x = self.real.part("train")
        for _ in range(self.batches_per_epoch):
            chosen = torch.randint(len(x), (training.batch_size,), generator=generator)
            inputs, noise = noised(x[chosen], self.steps, generator)
            yield {name: sent(each, device) for name, each in inputs.items()}, sent(noise, device)

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Return the mean squared error of outputs and noise, of as many numbers each.

        Raises:
            UserError: If they differ in that.
        """
        if outputs[0].numel() != targets[0].numel():
            raise UserError(
                f"diffusion takes {targets[0].numel()} numbers, as many as 'x' has, not"
                f" {tuple(outputs.shape[1:])}: end the space with head, or in the shape of 'x'"
            )
        return mse_loss(outputs.flatten(1), targets.flatten(1))

    def evaluate(self, module: nn.Module, batches: Batches) -> dict[str, float]:
        """Return the metrics of ``module``, which generates as many samples as the validation part has."""
        lost = sum(self.loss(module(x).float(), y).item() * len(y) for x, y in batches)
        like = batches.targets
        noise = torch.randn(like.shape, generator=torch.Generator().manual_seed(0)).to(like.device)
        made = ddim(module, noise, self.steps, self._most)
        real = self.real.part("validation" if len(like) == len(self.data.splits.validation) else "test")
        return {"frechet": self.real.distance(made, real), "loss": lost / len(like)}

    @property
    def _most(self) -> float:
        """The largest number of the training part, either side of 0."""
        return float(self.real.part("train").abs().max())

    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Return what samples of a Gaussian have that is fitted to the training part."""
        return {"a Gaussian fitted to the training part": {"frechet": self.real.gaussian}}

    @property
    def chance(self) -> Mapping[str, float]:
        # Of samples that are all the mean, and of noise that is guessed to be 0.
        return {"frechet": self.real.mean, "loss": 1.0}

    @property
    def ideal(self) -> Mapping[str, float]:
        return {"frechet": 0.0, "loss": 0.0}

    def at_chance(self, metrics: Mapping[str, float]) -> str | None:
        if metrics["loss"] < 1:
            return None
        return f"loss {metrics['loss']:.3f} is at chance: without any noise in it an answer has 1"

    def check(self) -> None:
        self.real.check()


def noised(x: Tensor, steps: int, generator: torch.Generator) -> tuple[dict[str, Tensor], Tensor]:
    """Return samples with noise of a random level each, as inputs of a network, and the noise."""
    level = torch.randint(steps, (len(x),), generator=generator)
    noise = torch.randn(x.shape, generator=generator)
    kept = kept_signal(steps)[level].view(-1, *[1] * (x.ndim - 1))
    return {"x": kept.sqrt() * x + (1 - kept).sqrt() * noise, "t": level.int()}, noise


def diffusion(data: Data, *, steps: int = 50) -> Diffusion:
    """Return the task of generating samples like those of ``data``, such as pictures, by diffusion.

    Args:
        data: Samples of numbers, held in memory; their targets are not used.
        steps: Levels of noise.

    Raises:
        UserError: If ``steps`` is below 2; on first use of the data if it is of another kind.
    """
    if not isinstance(steps, int) or steps < 2:
        raise UserError(f"diffusion(steps={steps!r}): give a whole number of at least 2")
    real = Real(data)

    def load() -> Splits:
        real.check()
        generator = torch.Generator().manual_seed(0)
        train, validation, test = (
            Split(*noised(real.part(part), steps, generator)) for part in ("train", "validation", "test")
        )
        noise = Noise(tuple(data.shape), steps)
        return Splits(train, validation, test, outputs=numbers_in(data.shape), schema=noise)

    return Diffusion(Data(f"{data.name} and noise", load), real, steps)
