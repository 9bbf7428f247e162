"""Checks that losses, weights of classes and optimisers suit a task, before a search spends anything."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from optnas.data import Splits
from optnas.data.trees import Tree, leaves, mapped
from optnas.errors import UserError
from optnas.space.source import place_of
from optnas.train.allowed import possible_values
from optnas.train.losses import make_loss
from optnas.train.own_functions import takes
from optnas.train.own_optimizers import check_optimizer
from optnas.train.task import Task
from optnas.train.training import Training

__all__ = ["check_losses"]


def check_losses(task: Task, training: Training) -> None:
    """Raise if ``task`` cannot be learned by a loss, weights of classes, batches or an optimiser.

    Losses and optimisers of the user's own are tried on two samples.

    Raises:
        UserError: If so, for a value of ``training``, fixed or searched.
    """
    _check_classes(task, training)
    own = [name for name in possible_values(training.loss) if name in training.losses]
    optimizers = [name for name in possible_values(training.optimizer) if name in training.optimizers]
    for argument in ("label_smoothing", "class_weights"):
        for name in own if any(possible_values(getattr(training, argument))) else ():
            if not takes(training.losses[name], argument):
                raise UserError(
                    f"Training(losses={{{name!r}: …}}) has no argument {argument}, and Training({argument}=…)"
                    " is set: add the argument to the function, or leave the setting out"
                )
    decided = training.closed(training.tree.sample(0)) if own or optimizers else training
    for name in own:
        for targets in _some_targets(task.data.splits, training):
            _try_loss(task, decided, name, targets)
    for name in optimizers:
        check_optimizer(decided, name)


def _check_classes(task: Task, training: Training) -> None:
    splits, losses = task.data.splits, possible_values(training.loss)
    weights = [each for each in possible_values(training.class_weights) if each is not None]
    builtin = [name for name in losses if name not in training.losses]
    smoothed = any(possible_values(training.label_smoothing))
    for setting, used in (
        ("loss='focal'", "focal" in losses and not task.learns_classes),
        ("class_weights=…", weights and builtin and not task.learns_classes),
        ("class_weights=…", weights and not _are_classes(splits.train.y)),
        ("label_smoothing=…", smoothed and builtin and not task.smooths_labels),
    ):
        if used:
            leave = "leave it at 0" if "smoothing" in setting else "leave it out"
            raise UserError(
                f"Training({setting}) is for classes, and {type(task).__name__} has none: {leave}"
            )
    for given in weights:
        if given != "balanced" and len(given) != splits.outputs:
            raise UserError(
                f"Training(class_weights=…) has {len(given)} weights, and there are {splits.outputs} classes:"
                " give one for each, or 'balanced'"
            )
    if any(possible_values(training.balanced)):
        if task.batches_per_epoch is not None:
            raise UserError(
                f"Training(balanced=True): {type(task).__name__} makes its own batches: leave it out"
            )
        y = splits.train.y
        if not _are_classes(y) or y.dim() != 1 or y.min() < 0:
            raise UserError(
                "Training(balanced=True) draws samples by their class, and yours do not have one class each:"
                " leave it out"
            )


def _are_classes(targets: Tree) -> bool:
    return isinstance(targets, Tensor) and not targets.is_floating_point()


def _some_targets(splits: Splits, training: Training) -> Iterator[Tree]:
    """Yield targets of two samples, as a loss may get them: as they are, and as shares of the classes."""
    some = mapped(lambda y: y[:2].cpu(), splits.train.y)
    mixed = possible_values(training.mixup)
    if not all(mixed):
        yield some
    if any(mixed):
        yield some if some.is_floating_point() else one_hot(some.long(), splits.outputs).float()


def _try_loss(task: Task, training: Training, name: str, targets: Tree) -> None:
    """Raise ``UserError`` if the user's loss called ``name`` takes no outputs and targets of the task."""
    where = f"Training(losses={{{name!r}: …}})"
    if task.output_shape is None:
        return  # any is accepted, so that none is known
    loss = make_loss(task, dataclasses.replace(training, loss=name), torch.device("cpu"))
    outputs = _some_outputs(task.output_shape, len(next(leaves(targets))))
    try:
        with warnings.catch_warnings():
            # Of outputs (samples, 1) and targets (samples,) PyTorch would make (samples, samples).
            warnings.filterwarnings("error", message="Using a target size")
            found = loss(outputs, targets)
    except UserError:
        raise
    except Exception as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise UserError(f"{where}: {reason}{place_of(error)}") from error
    if not found.requires_grad:
        raise UserError(f"{where} returns what does not depend on the outputs by operations of PyTorch")


def _some_outputs(shape: Any, count: int) -> Tree:
    if isinstance(shape, Mapping):
        return {name: _some_outputs(each, count) for name, each in shape.items()}
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, *shape, generator=generator).requires_grad_()
