"""Checks that losses, weights of classes and optimisers suit a task, before a search spends anything."""

from __future__ import annotations

import dataclasses

from torch import Tensor

from optnas.data.trees import Tree
from optnas.errors import UserError
from optnas.train.allowed import possible_values
from optnas.train.losses import class_weights
from optnas.train.own_functions import takes
from optnas.train.own_optimizers import check_optimizer
from optnas.train.task import Task
from optnas.train.training import Training
from optnas.train.used_settings import has_own_step

__all__ = ["check_losses"]


def check_losses(task: Task, training: Training) -> None:
    """Raise if ``task`` cannot be learned by a loss, weights of classes, batches or an optimiser.

    Optimisers of the user's own are tried on a few weights; losses by
    :func:`~optnas.train.own_losses.check_own_losses`.

    Raises:
        UserError: If so, for a value of ``training``, fixed or searched.
    """
    _check_classes(task, training)
    own = [name for name in possible_values(training.loss) if name in training.losses]
    for argument in ("label_smoothing", "class_weights"):
        for name in own if any(possible_values(getattr(training, argument))) else ():
            if not takes(training.losses[name], argument):
                raise UserError(
                    f"Training(losses={{{name!r}: …}}) has no argument {argument}, and Training({argument}=…)"
                    " is set: add the argument to the function, or leave the setting out"
                )
    for name in possible_values(training.optimizer):
        if name in training.optimizers:
            check_optimizer(training.closed(training.tree.sample(0)), name)


def _check_classes(task: Task, training: Training) -> None:
    splits, losses = task.data.splits, possible_values(training.loss)
    weights = [each for each in possible_values(training.class_weights) if each is not None]
    builtin = [name for name in losses if name not in training.losses]
    smoothed = any(possible_values(training.label_smoothing))
    usual = not has_own_step(task)
    for setting, used in (
        ("loss='focal'", usual and "focal" in losses and not task.learns_classes),
        ("class_weights=…", usual and weights and builtin and not task.learns_classes),
        ("class_weights=…", weights and not _are_classes(splits.train.y)),
        ("label_smoothing=…", usual and smoothed and builtin and not task.smooths_labels),
    ):
        if used:
            leave = "leave it at 0" if "smoothing" in setting else "leave it out"
            raise UserError(
                f"Training({setting}) is for classes, and {type(task).__name__} has none:"
                f" {leave}{_of_labels(splits.train.y)}"
            )
    for given in weights:
        if given != "balanced" and len(given) != splits.outputs:
            raise UserError(
                f"Training(class_weights=…) has {len(given)} weights, and there are {splits.outputs} classes:"
                " give one for each, or 'balanced'"
            )
        if given != "balanced":
            most = tuple(max(possible_values(weight)) for weight in given)
            class_weights(splits, dataclasses.replace(training, class_weights=most))
    if any(possible_values(training.balanced)):
        if "balanced" in weights:
            raise UserError(
                "Training(class_weights='balanced', balanced=True) makes up for rare classes twice, in the"
                " loss and in the batches: leave one of the two out"
            )
        y = splits.train.y
        if not _are_classes(y) or y.dim() != 1 or y.min() < 0:
            raise UserError(
                "Training(balanced=True) draws samples by their class, and yours do not have one class each:"
                f" leave it out{_of_labels(y)}"
            )


def _of_labels(targets: Tree) -> str:
    """Return how to weight rare labels, if each sample has several; else nothing."""
    several = isinstance(targets, Tensor) and targets.dim() == 2 and targets.shape[1] > 1
    if not several or not ((targets == 0) | (targets == 1)).all():
        return ""
    return "; rare labels count more by pos_weight=… of binary_cross_entropy_with_logits in your loss"


def _are_classes(targets: Tree) -> bool:
    return isinstance(targets, Tensor) and not targets.is_floating_point()
