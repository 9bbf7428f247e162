"""Object detection: boxes and classes of what images show, by their centres."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from optnas.answers import Answer, Boxes
from optnas.answers.centers import detected, named
from optnas.data import Data
from optnas.data.schemas import Target
from optnas.data.trees import Tree, mapped
from optnas.errors import UserError, check_whole
from optnas.space.shapes import is_image
from optnas.tasks._blobs import blobs
from optnas.tasks._centers import centers_loss, centers_of
from optnas.tasks._levels import of_levels
from optnas.tasks._torchmetrics import torchmetrics
from optnas.train.task import Batches, Task

__all__ = ["Detection", "detection"]


@dataclasses.dataclass(frozen=True)
class Detection(Task):
    """Object detection task without anchors: each object is a point, its box's centre (CenterNet).

    A network puts out a map of (classes + 4, height / stride, width / stride): for each cell a logit for each
    class, the offset of an object's centre and the size of its box, as Zhou, Wang & Krähenbühl 2019 (arXiv
    1904.07850) define them, with their loss. :func:`detected` turns it into boxes.

    Measures ``map`` (COCO's mean average precision over classes and over IoU thresholds of 0.5 to 0.95, 0 to
    1), ``map50`` (at an IoU of 0.5) and ``loss`` (mean over the batches).

    With several strides by name a network puts out such a map for each, as of a feature pyramid, and a box
    belongs to the finest one of which it spans no more than ``reach`` cells (Tian et al. 2019, arXiv
    1904.01355), or to the coarsest. What one map finds of what a surer one has found is left out.

    Attributes:
        data: Images with boxes, rows of (class, left, top, right, bottom), shape (samples, most, 5), as
            ``data.padded_boxes`` makes them. They move with their images in ``Training(flip=True, crop=4,
            padding="zero")``.
        stride: Side of a cell in pixels; of several maps by the names of the outputs, the finest first.
        most: The most boxes of an image that count, the surest.
        reach: The longer side, in cells, of the largest box of a map that is not the coarsest.
    """

    data: Data
    stride: int | Mapping[str, int] = 4
    most: int = 100
    reach: int = 16
    metrics = ("map", "map50", "loss")
    smooths_labels = False

    @cached_property
    def classes(self) -> int:
        """The number of classes."""
        parts = self.data.splits
        return 1 + max(int(part.y[..., 0].max()) for part in (parts.train, parts.validation) if len(part))

    def loss(self, outputs: Tree, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Return the loss of maps (batch, classes + 4, height, width) against boxes (batch, most, 5)."""
        if isinstance(self.stride, int):
            return self._loss(outputs, targets, self.stride)
        lost = targets.new_zeros(())
        parted = of_levels(targets, [*self.stride.values()], self.reach)
        for (name, stride), part in zip(self.stride.items(), parted, strict=True):
            lost = lost + self._loss(outputs[name], part, stride) * _count(part)
        return lost / _count(targets)

    def _loss(self, outputs: Tensor, targets: Tensor, stride: int) -> Tensor:
        height, width = outputs.shape[2:]
        return centers_loss(outputs, centers_of(targets, self.classes, height, width, stride))

    def evaluate(self, module: nn.Module, batches: Batches) -> dict[str, float]:
        """Return the metrics of the network over all images."""
        found: list[Tensor] = []
        lost, seen = 0.0, 0
        for inputs, targets in batches:
            outputs = mapped(Tensor.float, module(inputs))
            found += self.boxes(outputs)
            lost, seen = lost + self.loss(outputs, targets).item() * len(inputs), seen + len(inputs)
        return {**_precision(found, batches.targets), "loss": lost / seen}

    def boxes(self, outputs: Tree) -> Tensor:
        """Return the boxes of maps: rows of (class, score, left, top, right, bottom), the surest first."""
        return detected(outputs, stride=self.stride, most=self.most)

    @property
    def context(self) -> Mapping[str, Any]:
        """``outputs`` is the number of channels that a network ends in, classes + 4."""
        return {"outputs": self.classes + 4}

    @property
    def answer(self) -> Answer:
        target = self.data.target
        known = target.classes if isinstance(target, Target) else ()
        return Boxes(known or tuple(map(str, range(self.classes))), self.stride, self.most)

    @property
    def output_shape(self) -> Any:
        _, height, width = self.data.shape
        shapes = {
            name: (self.classes + 4, height // stride, width // stride)
            for name, stride in named(self.stride).items()
        }
        return shapes[""] if isinstance(self.stride, int) else shapes

    @property
    def chance(self) -> Mapping[str, float]:
        return {"map": 0.0, "map50": 0.0}

    @property
    def ideal(self) -> Mapping[str, float]:
        return {"map": 1.0, "map50": 1.0, "loss": 0.0}

    def at_chance(self, metrics: Mapping[str, float]) -> str | None:
        return None if metrics["map50"] > 0 else "map50 is at chance: no box is found"

    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Return the metrics of boxes around connected pixels that are unlike the rest of their image."""
        parts = self.data.splits
        classes = parts.train.y[..., 0]
        frequent = int(classes[classes >= 0].long().bincount().argmax())
        found: list[Tensor] = []
        for x, _ in parts.validation.blocks(100):
            found += [blobs(image, frequent) for image in parts.prepare(x).cpu()]
        metrics = _precision(found, parts.validation.y)
        return {"a box around each blob of unusual pixels, of the most frequent class": metrics}

    def check(self) -> None:
        name, shape, y = self.data.name, self.data.shape, self.data.splits.train.y
        if not (is_image(shape) and isinstance(y, Tensor) and y.ndim == 3 and y.shape[2] == 5):
            raise UserError(
                f"data {name!r}: detection needs images, and boxes of shape (samples, most, 5): make them by"
                " data.padded_boxes"
            )
        there = y[..., 0] >= 0
        if not there.any() or (y[there][:, 3:] <= y[there][:, 1:3]).any():
            raise UserError(f"data {name!r}: boxes need left < right and top < bottom: use data.padded_boxes")
        _, height, width = shape
        for stride in named(self.stride).values():
            if height % stride or width % stride:
                raise UserError(f"detection(stride={stride}) must divide images of {height}×{width} pixels")
        centre = (y[there][:, 1:3] + y[there][:, 3:]) / 2
        if (centre < 0).any() or (centre > torch.tensor([width, height])).any():
            raise UserError(
                f"data {name!r}: the centre of a box is not in its image of {height}×{width}; boxes are in"
                " pixels"
            )
        _metric()


def _count(boxes: Tensor) -> Tensor:
    return (boxes[..., 0] >= 0).sum().clamp(min=1)


def _metric() -> Any:
    try:
        return torchmetrics("detection").MeanAveragePrecision()
    except ModuleNotFoundError:
        raise UserError(
            "detection needs pycocotools and torchvision to measure: pip install pycocotools torchvision"
        ) from None


def _precision(found: Iterable[Tensor], truth: Tensor) -> dict[str, float]:
    """Return the mean average precision of each image's boxes (…, 6), against boxes (images, most, 5)."""
    metric = _metric()
    metric.update(list(_predicted(found)), list(_true(truth)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of images with more than 100 boxes
        told = metric.compute()
    # -1 where there is no box at all.
    return {"map": max(0.0, float(told["map"])), "map50": max(0.0, float(told["map_50"]))}


def _predicted(found: Iterable[Tensor]) -> Iterator[dict[str, Tensor]]:
    for rows in found:
        rows = rows[rows[:, 1] > 0].cpu()
        yield {"labels": rows[:, 0].long(), "scores": rows[:, 1], "boxes": rows[:, 2:]}


def _true(truth: Tensor) -> Iterator[dict[str, Tensor]]:
    for rows in truth.cpu():
        rows = rows[rows[:, 0] >= 0]
        yield {"labels": rows[:, 0].long(), "boxes": rows[:, 1:]}


def detection(
    data: Data, *, stride: int | Mapping[str, int] = 4, most: int = 100, reach: int = 16
) -> Detection:
    """Return the task of finding objects in the images of ``data``, with their boxes and classes.

    A network ends in a map that is ``stride`` times smaller than an image, for instance by
    ``conv(classes + 4, 1, bias=True)``.

    Args:
        data: Images and boxes, such as ``data.tensors(images, data.padded_boxes(boxes))``.
        stride: Side of a cell of the map in pixels. Two objects of a class need centres in different cells.
            Of networks with several maps, such as ``fork(fine=…, coarse=…)`` after an ``fpn``, by their
            names, the finest first: ``{"fine": 4, "coarse": 8}``.
        most: The most boxes of an image that count.
        reach: With several maps, the longer side in cells of the largest box that a map is for; the coarsest
            takes all that are larger.

    Raises:
        UserError: If one of them is no whole number from 1 on, or strides do not grow.
    """
    for each in named(stride).values():
        check_whole("detection", stride=each)
    check_whole("detection", most=most, reach=reach)
    strides = [*named(stride).values()]
    if not strides or strides != sorted(set(strides)):
        raise UserError(f"detection(stride={stride!r}): name at least one map, the finest first")
    return Detection(data.with_targets("boxes"), stride, most, reach)
