"""Anomaly detection: an autoencoder of normal samples, which reconstructs anomalies worse."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from optnas.answers import Anomalies, Answer
from optnas.answers.anomalies import anomaly_errors
from optnas.data import Data, Split, Splits
from optnas.errors import UserError, nearest
from optnas.ops.shapes import channel_axis
from optnas.tasks._torchmetrics import torchmetrics
from optnas.tasks.regression import LOSSES
from optnas.train.loop import evaluate
from optnas.train.task import Batches, Task

__all__ = ["AnomalyDetection", "anomaly_detection"]

# A usual share of the variance for a principal component analysis to keep. Of a larger training part so many
# samples are enough for it; inputs of more numbers are not for it.
_KEPT_VARIANCE, _MOST_SAMPLES, _MOST_NUMBERS = 0.95, 5_000, 2_000

# Normal samples that may be taken for anomalies, as a share; and samples that are looked at together.
_FLAGGED, _BLOCK = 0.01, 1000


@dataclasses.dataclass(frozen=True)
class AnomalyDetection(Task):
    """Anomaly detection task: a network learns to return normal samples, through a bottleneck.

    A sample's anomaly score is the mean squared error of its reconstruction, in units of the inputs' standard
    deviations. Measures ``auroc`` (area under the ROC curve of the scores: the probability that an anomaly
    scores higher than a normal sample), ``average_precision`` (area under their precision-recall curve) and
    ``loss`` (mean reconstruction loss of normal samples).

    Crop and flip move what is to be returned with the inputs. Cutout does not, and makes the network a
    denoising autoencoder.

    Attributes:
        data: Samples whose training part has normal ones alone, with themselves as targets. Targets of the
            other parts are 1 for anomalies and 0 for normal samples, shape (samples,).
        kind: The loss: ``"mse"``, ``"mae"`` or ``"huber"``.
    """

    data: Data
    kind: str = "mse"
    metrics = ("auroc", "average_precision", "loss")
    smooths_labels = False

    def __post_init__(self) -> None:
        if self.kind not in LOSSES:
            raise UserError(f"anomaly_detection(loss={self.kind!r}): {nearest(str(self.kind), LOSSES)}")

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Return the loss of reconstructions against the inputs, both of shape (batch, …)."""
        return LOSSES[self.kind](outputs, targets)

    def evaluate(self, module: nn.Module, batches: Batches) -> dict[str, float]:
        """Return the metrics of the network over samples whose targets say which are anomalies."""
        scores, lost, normal = [], 0.0, 0
        for inputs, targets in batches:
            outputs = module(inputs).float()
            scores.append(anomaly_errors(outputs, inputs))
            kept = targets == 0
            if count := int(kept.sum()):
                lost += self.loss(outputs[kept], inputs[kept]).item() * count
                normal += count
        # As ranks: torchmetrics takes numbers beyond 0 to 1 for logits, and those of large ones for equal.
        ranks = torch.cat(scores).unique(return_inverse=True)[1].double()  # type: ignore[no-untyped-call]
        ranks, anomalous = ranks / max(1, len(ranks)), batches.targets.long()
        metrics = torchmetrics().classification
        return {
            "auroc": float(metrics.binary_auroc(ranks, anomalous, validate_args=False)),
            "average_precision": float(
                metrics.binary_average_precision(ranks, anomalous, validate_args=False)
            ),
            "loss": lost / max(1, normal),
        }

    @property
    def context(self) -> Mapping[str, Any]:
        """``outputs`` is the number of channels or features of an input, which the last op has to return."""
        shape = self.data.shape
        return {"outputs": shape[channel_axis(shape)]}

    @property
    def answer(self) -> Answer:
        return Anomalies()

    def answer_of(self, module: nn.Module) -> Answer:
        """Return scores with a threshold, above which those of 1 % of the training part's samples are."""
        parts = self.data.splits
        with torch.inference_mode():
            scores = torch.cat(
                [anomaly_errors(module(x), x) for stored, _ in parts.train.blocks(_BLOCK)
                 for x in [parts.prepare(stored)]]
            )  # fmt: skip
        return Anomalies(float(scores.double().quantile(1 - _FLAGGED)))

    @property
    def output_shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.data.shape
        return shape

    @property
    def chance(self) -> Mapping[str, float]:
        share = float(self.data.splits.validation.y.double().mean())
        return {"auroc": 0.5, "average_precision": share}

    @property
    def ideal(self) -> Mapping[str, float]:
        return {"auroc": 1.0, "average_precision": 1.0, "loss": 0.0}

    def at_chance(self, metrics: Mapping[str, float]) -> str | None:
        if metrics["auroc"] > 0.5:
            return None
        return f"auroc {metrics['auroc']:.3f} is at chance: guessing has 0.5"

    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Return the metrics of the distance from the mean, and of a principal component analysis."""
        parts = self.data.splits
        models: dict[str, nn.Module] = {"the distance from the mean": _Components(parts.train.y, 0)}
        if math.prod(self.data.shape) <= _MOST_NUMBERS:
            pca = _Components(parts.train.y[:_MOST_SAMPLES], _KEPT_VARIANCE)
            models[f"a PCA of {len(pca.components)} components"] = pca
        return {
            name: evaluate(model, self, parts.validation, parts.prepare) for name, model in models.items()
        }

    def check(self) -> None:
        parts = self.data.splits
        torchmetrics()
        for part, of in (("validation", parts.validation), ("test", parts.test)):
            if len(of) and not 0 < float(of.y.double().mean()) < 1:
                raise UserError(
                    f"data {self.data.name!r}: the {part} part needs normal samples and anomalies, and has"
                    f" {int((of.y == 0).sum())} and {int((of.y == 1).sum())}; give more, or another seed"
                )


class _Components(nn.Module):
    """Reconstructs by a training part's mean and the first principal components of ``kept`` variance."""

    def __init__(self, x: Tensor, kept: float) -> None:
        super().__init__()
        flat = x.flatten(1).double()
        self.mean = flat.mean(dim=0)
        self.components = flat.new_zeros(0, flat.shape[1])
        if kept:
            _, sizes, axes = torch.linalg.svd(flat - self.mean, full_matrices=False)
            shares = sizes.square().cumsum(0) / sizes.square().sum()
            self.components = axes[: int((shares < kept).sum()) + 1]

    def forward(self, x: Tensor) -> Tensor:
        off = x.flatten(1).double() - self.mean
        return (self.mean + off @ self.components.T @ self.components).view_as(x)


def anomaly_detection(data: Data, *, normal: int = 0, loss: str = "mse") -> AnomalyDetection:
    """Return the task of telling anomalies from normal samples, learned from normal ones alone.

    The network is an autoencoder: it ends in the shape of its input. Anomalies of the training part are left
    out; those of the validation part measure the network.

    Args:
        data: Samples with one class each, such as 0 for normal ones and 1 for anomalies.
        normal: The class of normal samples; all others are anomalies.
        loss: ``"mse"`` (mean squared error), ``"mae"`` (mean absolute error) or ``"huber"``.

    Raises:
        UserError: If there is no such loss. On first use of the data, if it has no such class, or inputs of
            another kind than one tensor of numbers in memory.
    """
    given = data.with_targets("classes")
    return AnomalyDetection(Data(given.name, lambda: _of_normal_samples(given, normal)), loss)


def _of_normal_samples(given: Data, normal: int) -> Splits:
    parts = given.splits
    train, validation, test = parts.train, parts.validation, parts.test
    if not (isinstance(train, Split) and isinstance(validation, Split) and isinstance(test, Split)):
        raise UserError(f"data {given.name!r}: anomaly_detection needs samples in memory, not streamed ones")
    if not (isinstance(train.x, Tensor) and isinstance(train.y, Tensor)):
        raise UserError(f"data {given.name!r}: anomaly_detection learns one tensor of inputs, not several")
    if train.y.ndim != 1 or train.y.is_floating_point():
        raise UserError(
            f"data {given.name!r}: classes must be whole numbers, one for each sample, such as 0 for normal"
            f" samples and 1 for anomalies, not {train.y.dtype} of shape {tuple(train.y.shape)}"
        )
    kept = train.x[train.y == normal]
    inputs = parts.prepare(kept)
    if not len(kept) or not inputs.is_floating_point():
        lacks = "no inputs of numbers" if len(kept) else f"no normal samples, of class {normal}"
        raise UserError(f"data {given.name!r}: the training part has {lacks}")
    return dataclasses.replace(
        parts,
        train=Split(kept, inputs),
        validation=Split(validation.x, (validation.y != normal).long()),
        test=Split(test.x, (test.y != normal).long()),
        outputs=2,
    )
