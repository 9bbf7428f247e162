"""Checks that the data and the task suit the training settings, before a search spends anything."""

from __future__ import annotations

from torch import Tensor

from optnas.data import Part, Splits, positions
from optnas.data.trees import Tree, leaves
from optnas.errors import UserError
from optnas.space.shapes import is_image
from optnas.train.allowed import possible_values
from optnas.train.class_checks import check_losses
from optnas.train.task import Task
from optnas.train.training import Training
from optnas.train.used_settings import check_used

__all__ = ["check_augmentation", "check_mixable", "check_training", "is_dense", "is_scaled"]

_OF_IMAGES = ("cutout", "brightness", "contrast", "saturation")


def check_training(task: Task, training: Training) -> None:
    """Raise if ``task`` does not support a value of ``training``, fixed or searched.

    Raises:
        UserError: If there is such a value.
    """
    check_used(task, training)
    check_losses(task, training)
    splits = task.data.splits
    check_augmentation(splits, training)
    if any(possible_values(training.mixup)):
        check_mixable(splits.first_sample())
        y = splits.train.y
        if isinstance(y, Tensor) and not y.is_floating_point() and (y.min() < 0 or y.max() >= splits.outputs):
            raise UserError(
                f"Training(mixup=…) takes whole numbers for classes, and your targets go from {y.min()} to"
                f" {y.max()} with {splits.outputs} outputs: make them floating-point, or leave it at 0"
            )


def check_augmentation(splits: Splits, training: Training) -> None:
    """Raise if inputs or targets cannot be augmented as ``training`` says.

    All but mixup need images, larger than the crop, and saturation those of 3 channels. Crop, flip and
    rotation move dense targets and positions along, and need to know what lies where; flips also those of
    another size than the images. Mixup needs targets that can be mixed.

    Raises:
        UserError: If so.
    """
    part, targets = splits.train, list(leaves(splits.train.y))
    crops = possible_values(training.crop)
    turns = possible_values(training.rotate)
    moved = any((*crops, *turns, *possible_values(training.flip)))
    if moved or any(any(possible_values(getattr(training, name))) for name in _OF_IMAGES):
        if not is_image(part.shape):
            raise UserError(
                f"crop, flip, rotate, {', '.join(_OF_IMAGES)} are for images (channels, height, width), not"
                f" for inputs of {part.shape}"
            )
        if any(possible_values(training.saturation)) and part.shape[0] != 3:
            raise UserError(
                f"Training(saturation=…) is for images of 3 channels, not of {part.shape[0]}: leave it at 0"
            )
        if max(crops) >= min(part.shape[1:]):
            raise UserError(f"Training(crop={max(crops)}): it must be less than the images of {part.shape}")
    kinds = list(leaves(positions.kinds_of(splits.train.y, splits.kinds)))
    _check_positions(list(zip(kinds, targets, strict=True)), training)
    targets = [y for y, kind in zip(targets, kinds, strict=True) if kind is None]
    scaled = [tuple(y.shape) for y in targets if is_scaled(y, part)]
    if scaled and any((*crops, *turns)):
        raise UserError(
            f"Training(crop=…, rotate=…): targets of shape {scaled[0]} have other pixels than images of"
            f" {part.shape}, and move with them in flip=True alone: leave these two at 0"
        )
    fixed = [tuple(y.shape) for y in targets if y.dim() > 2 and not (is_dense(y, part) or is_scaled(y, part))]
    if moved and fixed:
        raise UserError(
            f"Training(crop=…, flip=…, rotate=…): targets of shape {fixed[0]} would not move with images of"
            f" {part.shape}; they move if they are (samples, height, width) or (samples, channels, height,"
            " width) of the images' height and width, or in flips (samples, channels, height, width) of both"
            " times or divided by a whole number, or are said to be targets='points' or 'boxes'; leave these"
            " three out for others"
        )
    dense = [tuple(y.shape) for y in targets if is_dense(y, part)]
    what = "crop" if any(crops) else "rotate"
    if any((*crops, *turns)) and dense and "zero" in possible_values(training.padding):
        raise UserError(
            f"Training({what}=…, padding='zero'): beyond the edge there are no targets, and each pixel needs"
            f" one, as they are of shape {dense[0]}: use padding='reflect'"
        )
    if not any(possible_values(training.mixup)):
        return
    if not isinstance(splits.train.y, Tensor):
        raise UserError("Training(mixup=…) mixes targets of one tensor, and yours are several: leave it at 0")
    y = splits.train.y
    shape = tuple(y.shape)
    if len(shape) > 1 and not y.is_floating_point():
        raise UserError(
            f"Training(mixup=…) mixes values, or one class of each sample, not the whole numbers of shape"
            f" {shape} that your targets are: leave it at 0"
        )


def _check_positions(targets: list[tuple[str | None, Tensor]], training: Training) -> None:
    """Raise if targets that are positions in images cannot be moved with them, or not be mixed."""
    kinds = {kind for kind, _ in targets if kind is not None}
    crops, turns = possible_values(training.crop), possible_values(training.rotate)
    if any((*crops, *turns, *possible_values(training.flip))):
        for wrong in filter(None, (positions.misfit(*each) for each in targets)):
            raise UserError(f"Training(crop=…, flip=…, rotate=…): targets are {wrong}")
    if "boxes" in kinds and any(turns):
        raise UserError(
            "Training(rotate=…): the box of a turned object does not follow from its box: leave it at 0"
        )
    if kinds and any((*crops, *turns)) and "reflect" in possible_values(training.padding):
        what = "crop" if any(crops) else "rotate"
        raise UserError(
            f"Training({what}=…, padding='reflect'): what is mirrored beyond the edge would be seen, and is"
            f" not among the {' and '.join(sorted(kinds))}: use padding='zero'"
        )
    if "boxes" in kinds and any(possible_values(training.mixup)):
        raise UserError("Training(mixup=…): boxes have no mean: leave it at 0")


def is_dense(y: Tensor, part: Part) -> bool:
    """Return whether targets are one for each pixel of the images, such as in segmentation."""
    return is_image(part.shape) and y.dim() in (3, 4) and y.shape[-2:] == part.shape[1:]


def is_scaled(y: Tensor, part: Part) -> bool:
    """Return whether targets are dense with a whole number of pixels for one of the images, or the reverse.

    Such as larger images, or heat maps of a lower resolution, (samples, channels, height, width). (Of three
    axes, a few boxes would look the same.)
    """
    if not is_image(part.shape) or y.dim() != 4 or is_dense(y, part):
        return False
    (_, height, width), (tall, wide) = part.shape, y.shape[2:]
    larger = tall % height == 0 and tall // height * width == wide
    return bool(larger or (height % tall == 0 and height // tall * wide == width))


def check_mixable(x: Tree) -> None:
    """Raise if inputs, prepared for the network, are not floating-point numbers, as mixup needs.

    Raises:
        UserError: If they are not.
    """
    if not all(each.is_floating_point() for each in leaves(x)):
        raise UserError("mixup is for inputs of numbers that can be mixed, not for symbols")
