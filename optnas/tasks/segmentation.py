"""Semantic segmentation: a class for each pixel."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import cached_property
from typing import Unpack

import torch
from torch import Tensor, nn

from optnas.answers import Answer, PixelClasses
from optnas.data import Data
from optnas.data.schemas import Target
from optnas.errors import UserError
from optnas.space.shapes import is_image
from optnas.tasks._chance import class_shares, entropy
from optnas.tasks._torchmetrics import torchmetrics
from optnas.train.loop import evaluate
from optnas.train.losses import ClassSettings, class_loss
from optnas.train.task import Batches, Task

__all__ = ["Segmentation", "segmentation"]

# Above this share of one class, a network that predicts nothing else may still be learning.
_MOSTLY = 0.75
_ROUNDING = 1e-6
# A linear model of each pixel is fitted to so many; more tell it nothing new.
_MOST_IMAGES, _MOST_PIXELS = 500, 20_000
_IGNORED = -1


@dataclasses.dataclass(frozen=True)
class Segmentation(Task):
    """Semantic segmentation task: cross-entropy over the classes of each pixel.

    Measures ``miou`` (intersection over union of predicted and true pixels of a class over all images, mean
    over the classes that occur), ``pixel_accuracy`` (share of the pixels, 0 to 1) and ``loss`` (mean
    cross-entropy over pixels, nats). Pixels of a negative class do not count.

    Attributes:
        data: Images (samples, channels, height, width) with a class for each pixel, whole numbers of shape
            (samples, height, width). Crop and flip move them with the images.
    """

    data: Data
    metrics = ("miou", "pixel_accuracy", "loss")
    learns_classes = True

    def loss(self, outputs: Tensor, targets: Tensor, **settings: Unpack[ClassSettings]) -> Tensor:
        """Return the mean cross-entropy, or focal loss, over pixels.

        Outputs are logits (batch, classes, height, width), targets classes (batch, height, width).
        """
        return class_loss(outputs, targets.clamp(min=_IGNORED).long(), ignore_index=_IGNORED, **settings)

    def evaluate(self, module: nn.Module, batches: Batches) -> dict[str, float]:
        """Return the metrics of the network, with the outputs of one batch in memory at a time."""
        metric, lost, pixels = None, 0.0, 0
        for inputs, targets in batches:
            outputs = module(inputs).float()
            if metric is None:
                iou = torchmetrics("classification").MulticlassJaccardIndex
                metric = iou(outputs.shape[1], ignore_index=_IGNORED, validate_args=False).to(outputs.device)
            if known := int((targets >= 0).sum()):
                metric.update(outputs.argmax(dim=1), targets.clamp(min=_IGNORED).long())
                lost, pixels = lost + self.loss(outputs, targets).item() * known, pixels + known
        assert metric is not None
        right = metric.confmat.diag().sum() / metric.confmat.sum()
        return {"miou": float(metric.compute()), "pixel_accuracy": float(right), "loss": lost / pixels}

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.data.outputs, *self.data.shape[1:])

    @property
    def answer(self) -> Answer:
        target = self.data.target
        known = target.classes if isinstance(target, Target) else ()
        return PixelClasses(known or tuple(map(str, range(self.data.outputs))))

    @property
    def chance(self) -> Mapping[str, float]:
        shares = self._shares
        return {
            # Of the most frequent class everywhere: its IoU is its share, all others' 0.
            "miou": shares.max().item() / len(shares),
            "pixel_accuracy": shares.max().item(),
            "loss": entropy(shares),
        }

    @property
    def ideal(self) -> Mapping[str, float]:
        return {"miou": 1.0, "pixel_accuracy": 1.0, "loss": 0.0}

    def at_chance(self, metrics: Mapping[str, float]) -> str | None:
        # Where most pixels are background, a network learns that first, and the other classes later.
        if self._shares.max() > _MOSTLY or metrics["miou"] > self.chance["miou"] + _ROUNDING:
            return None
        return f"miou {metrics['miou']:.3f} is at chance: one class everywhere has {self.chance['miou']:.3f}"

    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Return the metrics of the most frequent class, and of a logistic regression on each pixel alone."""
        parts = self.data.splits
        x, y = next(parts.train.blocks(_MOST_IMAGES, torch.randperm(len(parts.train), generator=_seeded())))
        pixels = parts.prepare(x).movedim(1, -1).flatten(0, 2)
        known = (y >= 0).flatten().nonzero()[:, 0]
        known = known[torch.randperm(len(known), generator=_seeded())[:_MOST_PIXELS]]
        model = _logistic(pixels[known], y.flatten()[known].long(), self.data.outputs)
        of_each_pixel = evaluate(model, self, parts.validation, parts.prepare)
        return {
            "the most frequent class": self.chance,
            "a logistic regression on each pixel": of_each_pixel,
        }

    @cached_property
    def _shares(self) -> Tensor:
        """The shares of the classes that occur in the validation part."""
        shares = class_shares(self.data.splits.validation.y)
        return shares[shares > 0]

    def check(self) -> None:
        splits = self.data.splits
        targets = splits.train.y
        if not (is_image(self.data.shape) and isinstance(targets, Tensor)):
            raise UserError(f"data {self.data.name!r}: segmentation learns a class for each pixel of images")
        if targets.shape[1:] != self.data.shape[1:] or targets.is_floating_point():
            raise UserError(
                f"data {self.data.name!r}: targets must be classes, whole numbers of shape (samples, height,"
                f" width), here (samples, {', '.join(map(str, self.data.shape[1:]))}), not {targets.dtype} of"
                f" shape {tuple(targets.shape)}; say targets='classes' where the data is made"
            )
        for part in (splits.train, splits.validation):
            if not (part.y >= 0).any():
                raise UserError(f"data {self.data.name!r}: a part has no pixel of a class, from 0 on")
        torchmetrics()


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _logistic(x: Tensor, y: Tensor, classes: int) -> nn.Module:
    """Return a logistic regression on pixels x, shape (pixels, channels), as a 1×1 convolution."""
    from sklearn.linear_model import LogisticRegression

    model = nn.Conv2d(x.shape[1], classes, 1)
    found = y.bincount().nonzero()[:, 0]
    with torch.no_grad():
        model.weight.zero_()
        model.bias.fill_(-math.inf).index_fill_(0, found, 0)  # type: ignore[union-attr]
        if len(found) > 1:
            fitted = LogisticRegression().fit(x.double().numpy(), y.numpy())
            weights, bias = torch.from_numpy(fitted.coef_), torch.from_numpy(fitted.intercept_)
            if len(found) == 2:  # scikit-learn has the second class's alone
                weights, bias = torch.cat([-weights, weights]) / 2, torch.cat([-bias, bias]) / 2
            model.weight[found] = weights.float()[:, :, None, None]
            model.bias[found] = bias.float()  # type: ignore[index]
    return model


def segmentation(data: Data) -> Segmentation:
    """Return the task of predicting the class of each pixel of the images of ``data``.

    A network ends in the logits of each pixel, shape (classes, height, width), for instance by
    ``conv(classes, 1, bias=True)``. Pixels of negative classes are neither learned nor measured.

    Args:
        data: Images and masks, such as ``data.tensors(images, masks)`` with masks of whole numbers, shape
            (samples, height, width).
    """
    return Segmentation(data.with_targets("classes"))
