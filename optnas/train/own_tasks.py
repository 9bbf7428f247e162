"""Whether a task of the user's own keeps what it promises, tried before a search spends anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from functools import partial

import torch
from torch import nn

from optnas.data import Part
from optnas.data.data import Split
from optnas.data.trees import Tree
from optnas.errors import UserError, nearest
from optnas.space import Node
from optnas.train.allowed import possible_values
from optnas.train.device import default_device
from optnas.train.loop import evaluate
from optnas.train.own_functions import takes
from optnas.train.own_losses import (
    fits_for,
    in_a_line,
    mistakes_as_errors,
    reason_against,
    training_batch,
    tried,
)
from optnas.train.task import Task, is_own
from optnas.train.task_checks import figures
from optnas.train.training import Training
from optnas.train.used_settings import has_own_step

__all__ = ["baselines_of", "check_own_task"]

# Samples of the validation part that are measured; if that fails, all are.
_MEASURED = 64


def check_own_task(space: Node, task: Task, training: Training, needed: Collection[str]) -> None:
    """Raise if a task of the user's own lacks what it must have, or its loss or measure fail.

    They are tried on a batch, and on a few validation samples, with the outputs of random networks of
    ``space``, until they work for one. Networks that fail by themselves say nothing about the task. What may
    take long or leave its marks is not tried: an ``evaluate`` of the task's own, and its ``experience``.

    Args:
        space: The search space.
        task: The task; ready ones are not looked at.
        training: The training settings, fixed or searched.
        needed: The metrics that the study uses.

    Raises:
        UserError: If so; it names the class and the method.
    """
    if not is_own(task):
        return
    own_loss = not has_own_step(task) and any(
        name not in training.losses for name in possible_values(training.loss)
    )
    if own_loss:
        _check_loss(space, task, training)
    for name in ("chance", "ideal"):
        _check_figures(task, name)
    if _is_default(task, "evaluate"):
        _check_measure(space, task, training, needed)


def baselines_of(task: Task) -> dict[str, dict[str, float]]:
    """Return the task's own baselines.

    Raises:
        UserError: If they fail, or are no numbers by name of the task's metrics.
    """
    name = type(task).__name__
    try:
        given = task.baselines()
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{name}.baselines() fails: {in_a_line(error)}") from error
    if not isinstance(given, Mapping):
        raise UserError(f"{name}.baselines() returns {given!r:.60}; give metrics by the models' names")
    found = {model: figures(f"{name}.baselines()[{model!r}]", each) for model, each in given.items()}
    for model, metrics in found.items() if is_own(task) else ():
        _check_known(task, f"baselines()[{model!r}]", metrics)
    return found


def _is_default(task: Task, method: str) -> bool:
    return getattr(getattr(task, method), "__func__", None) is getattr(Task, method)


def _check_figures(task: Task, attribute: str) -> None:
    name = f"{type(task).__name__}.{attribute}"
    try:
        given = getattr(task, attribute)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{name} fails: {in_a_line(error)}") from error
    _check_known(task, attribute, figures(name, given))


def _check_known(task: Task, what: str, metrics: Collection[str]) -> None:
    for metric in metrics:
        if metric not in task.metrics:
            raise UserError(
                f"{type(task).__name__}.{what} has {metric!r}, which is none of its metrics:"
                f" {nearest(str(metric), task.metrics)}"
            )


def _check_loss(space: Node, task: Task, training: Training) -> None:
    name = type(task).__name__
    if _is_default(task, "loss"):
        raise UserError(f"{name} has no loss: define loss(self, outputs, targets), or own_step")
    smoothing = max(possible_values(training.label_smoothing))
    if smoothing and task.smooths_labels and not takes(task.loss, "label_smoothing"):
        raise UserError(
            f"Training(label_smoothing=…): {name}.loss has no argument label_smoothing: add it, as"
            " loss(self, outputs, targets, *, label_smoothing=0.0), or leave the setting out"
        )
    decided = dataclasses.replace(
        training.closed(training.tree.sample(0)), loss=None, label_smoothing=smoothing
    )
    if task.batches_per_epoch is not None:
        return
    # With mixup targets are shares of the classes.
    for mixup in {bool(share): share for share in possible_values(training.mixup)}.values():
        settings = dataclasses.replace(decided, mixup=mixup)
        mixed = (
            " with Training(mixup=…), where targets of classes are shares of them, (batch, classes)"
            if mixup
            else ""
        )

        def reason(module: nn.Module, outputs: Tree, targets: Tree) -> str | None:
            found = reason_against(f"{name}.loss{mixed}", task, settings, outputs, targets)  # noqa: B023
            return None if _of_another_device(found, training) else found

        fits_for(tried(space, task, partial(training_batch, task, settings)), reason)


def _check_measure(space: Node, task: Task, training: Training, needed: Collection[str]) -> None:
    name = type(task).__name__
    if _is_default(task, "measure"):
        raise UserError(
            f"{name} has no measure: define measure(self, outputs, targets), or evaluate(self, module,"
            " batches)"
        )
    parts = task.data.splits
    wanted = task.metrics if _is_default(task, "measuring") else needed

    def failing(module: nn.Module, part: Part) -> str | None:
        try:
            with mistakes_as_errors():
                found = evaluate(module, task, part, parts.prepare)
        except UserError as error:
            return str(error)
        except Exception as error:
            return f"{name}.measure: {in_a_line(error)}"
        if missing := [metric for metric in wanted if metric not in found]:
            return (
                f"{name}.metrics has {missing[0]!r}, and {name}.measure does not return it: it returns"
                f" {', '.join(map(repr, found)) or 'nothing'}"
            )
        return None

    piece = Split(*next(iter(parts.validation.blocks(_MEASURED))))

    def reason(module: nn.Module, outputs: Tree, targets: Tree) -> str | None:
        found = failing(module, piece)
        # What is measured may need all: both classes, or what the data says of each sample.
        if found is not None and len(piece) < len(parts.validation):
            found = failing(module, parts.validation)
        return None if _of_another_device(found, training) else found

    with torch.no_grad():
        fits_for(tried(space, task, lambda *_: (parts.prepare(piece.x), piece.y), train=False), reason)


def _of_another_device(reason: str | None, training: Training) -> bool:
    """Return whether a reason may hold on the CPU alone, while the study trains elsewhere."""
    return reason is not None and "device" in reason and default_device(training.device).type != "cpu"
