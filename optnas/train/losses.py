"""Losses: the task's own with weights of the classes, the focal loss, and functions of the user's own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, TypedDict

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from optnas.data import Splits
from optnas.data.trees import Tree, leaves
from optnas.errors import UserError
from optnas.train.task import Task
from optnas.train.training import Training

__all__ = ["ClassSettings", "class_loss", "class_weights", "make_loss"]

Loss = Callable[[Tree, Tree], Tensor]

# With γ < 1 the focal factor's slope is infinite where the class is certain.
_LEAST_DOUBT = 1e-7
_NO_CLASS = -100  # PyTorch's own


class ClassSettings(TypedDict, total=False):
    """Settings of a loss of classes that a training may set, as :func:`class_loss` takes them."""

    label_smoothing: float
    class_weights: Tensor | None
    focal_gamma: float


def class_loss(
    outputs: Tensor,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
    focal_gamma: float = 0.0,
    ignore_index: int = _NO_CLASS,
) -> Tensor:
    """Return the mean cross-entropy or focal loss of logits (batch, classes, …) (Lin et al. 2017, eq. 5).

    It is -w·(1 - p)^γ·log p of the target's class, whose probability is p; a mean over all targets, not a
    mean by weights as PyTorch's, so that it adds up over micro-batches. A target that is smoothed or mixed
    has the sum over the classes by its shares of them.

    Args:
        outputs: Logits, shape (batch, classes, …).
        targets: Classes, shape (batch, …), or shares of the classes, shape of ``outputs``.
        label_smoothing: The share of each target spread over all classes.
        class_weights: w, shape (classes,); by default 1 for each.
        focal_gamma: γ; 0 for the cross-entropy.
        ignore_index: The class of targets that do not count.
    """
    if class_weights is None and not focal_gamma:
        plain = partial(cross_entropy, outputs, targets, label_smoothing=label_smoothing)
        if ignore_index == _NO_CLASS:
            return plain()
        # Where no target counts, the loss is 0, not 0 / 0.
        lost = plain(ignore_index=ignore_index, reduction="sum")
        return lost / (targets != ignore_index).sum().clamp(min=1)
    scores = log_softmax(outputs, 1)
    if focal_gamma:
        scores = scores * (-torch.expm1(scores)).clamp(min=_LEAST_DOUBT) ** focal_gamma
    if class_weights is not None:
        scores = scores * class_weights.to(scores.dtype).view(-1, *[1] * (scores.dim() - 2))
    everywhere = scores.mean(1)
    if targets.is_floating_point():
        own = (scores * targets).sum(1)
        return -torch.lerp(own, everywhere, label_smoothing).mean()
    counts = targets != ignore_index
    own = scores.gather(1, targets.where(counts, 0).long().unsqueeze(1)).squeeze(1)
    lost = -torch.lerp(own, everywhere, label_smoothing) * counts
    return lost.sum() / counts.sum().clamp(min=1)


def class_weights(splits: Splits, training: Training) -> Tensor | None:
    """Return ``training``'s weights of the classes, shape (classes,); ``None`` if all count the same.

    They are 1 on average over what is trained on: the training part, or equal shares of all classes.

    Raises:
        UserError: If the classes of the training part all have weight 0.
    """
    given = training.class_weights
    if given is None:
        return None
    targets: Tensor = splits.train.y.flatten().cpu().long()
    inside = targets[(targets >= 0) & (targets < splits.outputs)]
    counts = inside.bincount(minlength=splits.outputs).double()
    there = counts > 0
    weights = 1 / counts.where(there, counts.sum()) if given == "balanced" else torch.tensor(given).double()
    drawn = there.double() if training.balanced else counts
    average = (weights * drawn).sum() / drawn.sum()
    if not average > 0:
        there_are = there.nonzero().flatten().tolist()
        raise UserError(
            f"Training(class_weights=…): the training part has samples of {_listed(there_are)} alone, of"
            " weight 0, so that nothing would be learned: give one of them a weight above 0"
        )
    if given == "balanced":
        weights = weights.where(there, average)  # smoothed labels have shares of it
    scaled: Tensor = weights / average
    return scaled.float()


def make_loss(task: Task, training: Training, device: torch.device) -> Loss:
    """Return the loss that ``training`` names, of outputs and targets on ``device``."""
    settings: dict[str, Any] = {}
    # Only what is set: a user's own loss need not accept the argument.
    if training.label_smoothing:
        settings["label_smoothing"] = training.label_smoothing
    weights = class_weights(task.data.splits, training)
    if weights is not None:
        settings["class_weights"] = weights.to(device)
    if training.loss in training.losses:
        function = training.losses[training.loss]
        if isinstance(function, nn.Module):
            function = copy.deepcopy(function).to(device)
        return _checked(f"Training(loss={training.loss!r})", partial(function, **settings))
    if training.loss == "focal":
        settings["focal_gamma"] = training.focal_gamma
    return _checked(f"{type(task).__name__}.loss", partial(task.loss, **settings))


def _checked(what: str, function: Callable[..., Any]) -> Loss:
    """Return ``function``, called ``what``, as one that raises ``UserError`` for what cannot be minimised."""

    def loss(outputs: Tree, targets: Tree) -> Tensor:
        found = function(outputs, targets)
        if not isinstance(found, Tensor) or found.dim():
            given = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else repr(found)
            raise UserError(f"{what} returned {given:.60}: a loss is one number, a tensor as by .mean()")
        if not found.requires_grad and any(each.requires_grad for each in leaves(outputs)):
            raise UserError(
                f"{what} returned what does not depend on the outputs by operations of PyTorch: nothing can"
                " be learned from it"
            )
        return found

    return loss


def _listed(classes: list[int]) -> str:
    some = ", ".join(map(str, classes[:5])) + ", …" * (len(classes) > 5)
    return f"class{'es' * (len(classes) != 1)} {some}"
