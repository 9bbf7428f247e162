"""Checks that the data and the task suit the training settings, before a search spends anything."""

from __future__ import annotations

import torch
from torch import Tensor

from optnas.data import Part
from optnas.errors import UserError
from optnas.train.task import Task
from optnas.train.training import Training, possible_values

__all__ = ["check_augmentation", "check_mixable", "check_training"]


def check_training(task: Task, training: Training) -> None:
    """Raise if ``task`` does not support a value of ``training``, fixed or searched.

    Raises:
        UserError: If there is such a value.
    """
    if not task.smooths_labels and any(possible_values(training.label_smoothing)):
        raise UserError(
            f"Training(label_smoothing=…) is for classes, and {type(task).__name__} has none: leave it at 0"
        )
    splits = task.data.splits
    check_augmentation(splits.train, training)
    if any(possible_values(training.mixup)):
        stored, _ = next(iter(splits.train.blocks(1, torch.arange(1))))
        check_mixable(splits.prepare(stored))


def check_augmentation(part: Part, training: Training) -> None:
    """Raise if crop, flip or cutout is set and the inputs are not images, or too small for the crop.

    Raises:
        UserError: If so.
    """
    crops = possible_values(training.crop)
    if not any((*crops, *possible_values(training.flip), *possible_values(training.cutout))):
        return
    if len(part.shape) != 3:
        raise UserError(
            f"crop, flip and cutout are for images (channels, height, width), not for inputs of {part.shape}"
        )
    if max(crops) >= min(part.shape[1:]):
        raise UserError(f"Training(crop={max(crops)}): it must be less than the images of {part.shape}")


def check_mixable(x: Tensor) -> None:
    """Raise if inputs, prepared for the network, are not floating-point numbers, as mixup needs.

    Raises:
        UserError: If they are not.
    """
    if not x.is_floating_point():
        raise UserError("mixup is for inputs of numbers that can be mixed, not for symbols")
