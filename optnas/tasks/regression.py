"""Regression: one value or several for each sample."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import huber_loss, l1_loss, mse_loss

from optnas.answers import Answer, Values
from optnas.data import Data
from optnas.data.numbers import MOST
from optnas.data.schemas import Target
from optnas.errors import UserError, nearest
from optnas.tasks._torchmetrics import torchmetrics
from optnas.train.task import Task

__all__ = ["LOSSES", "Regression", "regression"]

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "huber": huber_loss,
    "mae": l1_loss,
    "mse": mse_loss,
}
"""Mean losses by name, of outputs and targets of equal shape."""


@dataclasses.dataclass(frozen=True)
class Regression(Task):
    """Regression task: a loss on targets standardised by the training part's mean and deviation.

    So learning rates, and the bend of Huber's loss (at one standard deviation), do not depend on the
    targets' unit. Measures ``rmse`` and ``mae`` (in the targets' own unit, over all values) and
    ``loss`` (of standardised values). If asked for, it also measures ``r2``, the coefficient of
    determination (mean over several targets).

    Attributes:
        data: Samples with one value each, targets of shape (samples,), or several, (samples, values). Those
            that are positions in images move with them if they are ``data.tensors(…, targets="points")``.
        kind: The loss: ``"mse"``, ``"mae"`` or ``"huber"``.
        asked: The metrics asked for; ``r2`` is measured only if it is among them.
    """

    data: Data
    kind: str = "mse"
    asked: frozenset[str] = frozenset()
    metrics = ("loss", "mae", "r2", "rmse")
    smooths_labels = False

    def __post_init__(self) -> None:
        if self.kind not in LOSSES:
            raise UserError(f"regression(loss={self.kind!r}): {nearest(str(self.kind), LOSSES)}")
        for name in sorted(self.asked.difference(self.metrics)):
            kind = type(self).__name__.lower()
            raise UserError(f"{kind} does not measure {name!r}: {nearest(name, self.metrics)}")

    def measuring(self, names: Iterable[str]) -> Regression:
        return dataclasses.replace(self, asked=self.asked.union(names))

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Return the loss of standardised outputs (batch, values) against targets in their own unit."""
        if label_smoothing:
            raise UserError("label_smoothing is for classes; leave it at 0 where values are learned")
        mean, deviation = self._figures(targets.device)
        return LOSSES[self.kind](outputs.view_as(targets), (targets - mean) / deviation)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Return the metrics of standardised outputs (samples, values) against targets in their unit."""
        mean, deviation = self._figures(targets.device)
        outputs = outputs.float().view_as(targets)
        values = outputs * deviation + mean
        found = {
            "loss": LOSSES[self.kind](outputs, (targets - mean) / deviation).item(),
            "mae": l1_loss(values, targets).item(),
            "rmse": mse_loss(values, targets).sqrt().item(),
        }
        if "r2" in self.asked:
            rows = [each.flatten(1) if each.ndim > 2 else each for each in (values, targets)]
            found["r2"] = float(torchmetrics().r2_score(*rows))
        return found

    def at_chance(self, metrics: Mapping[str, float]) -> str | None:
        if metrics["rmse"] < self._spread:
            return None
        return f"rmse {metrics['rmse']:.4g} is at chance: the mean alone has {self._spread:.4g}"

    @property
    def chance(self) -> Mapping[str, float]:
        return {"rmse": self._spread, "r2": 0.0}

    @property
    def ideal(self) -> Mapping[str, float]:
        return {"loss": 0.0, "mae": 0.0, "rmse": 0.0, "r2": 1.0}

    @cached_property
    def _spread(self) -> float:
        """The root mean square error of predicting the mean, on the validation part."""
        targets = self.data.splits.validation.y.double()
        return float(targets.std(dim=0, correction=0).square().mean().sqrt())

    @property
    def output_scale(self) -> tuple[Tensor, Tensor]:
        mean, deviation = self._figures(torch.device("cpu"))
        return deviation, mean

    @property
    def answer(self) -> Answer:
        target = self.data.target
        return Values(target.name if isinstance(target, Target) else "")

    def _figures(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the mean and the standard deviation of the training part's targets."""
        if device not in self._kept:
            with torch.inference_mode(False):  # usable in training, even if inference computes them first
                targets = self.data.splits.train.y.double()
                figures = targets.mean(dim=0), targets.std(dim=0, correction=0)
                self._kept[device] = tuple(figure.float().to(device) for figure in figures)
        mean, deviation = self._kept[device]
        return mean, deviation

    @cached_property
    def _kept(self) -> dict[torch.device, tuple[Tensor, ...]]:
        return {}

    def check(self) -> None:
        targets = self.data.splits.train.y
        if not targets.is_floating_point():
            raise UserError(
                f"data {self.data.name!r} has classes, not values: use tasks.classification, or say"
                " targets='values' where the data is made"
            )
        if (targets.abs() > MOST).any():
            raise UserError(
                f"data {self.data.name!r}: a target of {targets.abs().max():.3g} is beyond 1e18, and its"
                " squared error has no float32; scale the targets, or take their logarithm"
            )
        if not (targets.std(dim=0, correction=0) > 0).all():
            raise UserError(f"data {self.data.name!r}: a target is the same everywhere; nothing to learn")
        if "r2" in self.asked:
            torchmetrics()


def regression(data: Data, *, loss: str = "mse", metrics: Iterable[str] = ()) -> Regression:
    """Return the task of predicting the value or values of each sample of ``data``.

    Args:
        data: Samples with numbers as targets.
        loss: ``"mse"`` (mean squared error), ``"mae"`` (mean absolute error) or ``"huber"``.
        metrics: ``("r2",)`` to record that as well. The metrics of a study's objectives and constraints
            are measured anyway.

    Raises:
        UserError: If there is no such loss or metric.
    """
    return Regression(data.with_targets("values"), loss, frozenset(metrics))
