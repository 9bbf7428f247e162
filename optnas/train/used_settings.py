"""Settings that a task with a step or batches of its own leaves without effect."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from optnas.errors import UserError, nearest
from optnas.train.allowed import possible_values
from optnas.train.own_functions import takes
from optnas.train.task import Task, is_own
from optnas.train.training import Training

__all__ = ["check_used", "has_own_step", "settings_without_effect"]

# What the usual step goes by. A step of the task's own gets the schedule as its rate.
_OF_STEP = (
    "optimizer", "lr", "momentum", "betas", "weight_decay", "clip", "loss", "focal_gamma", "class_weights",
    "label_smoothing",
)  # fmt: skip
# What batches of the data go by.
_OF_BATCHES = (
    "crop", "padding", "flip", "rotate", "cutout", "brightness", "contrast", "saturation", "mixup",
    "balanced",
)  # fmt: skip
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Training)}


def has_own_step(task: Task) -> bool:
    """Return whether ``task`` defines a training step of its own."""
    return getattr(task.own_step, "__func__", None) is not Task.own_step


def check_used(task: Task, training: Training) -> None:
    """Raise if a value of ``training``, fixed or searched, would have no effect on ``task``.

    Raises:
        UserError: If so, or if the task's ``uses_settings`` are not names of settings.
    """
    name, used = type(task).__name__, task.uses_settings
    if isinstance(used, str):
        raise UserError(f"{name}.uses_settings = {used!r}: give a tuple of names, such as ({used!r},)")
    for each in used:
        if each not in _DEFAULTS:
            raise UserError(
                f"{name}.uses_settings has {each!r}, no setting of Training: {nearest(str(each), _DEFAULTS)}"
            )
    for own, settings, what in _own(task):
        idle = [each for each in settings if own and each not in used and _is_set(training, each)]
        if idle:
            given = ", ".join(f"{each}=…" for each in idle)
            name_it = (
                is_own(task)
                * f"; or if the task goes by it, say so in its class: uses_settings = {(*used, *idle)!r}"
            )
            raise UserError(f"Training({given}) has no effect, as {name} {what}: leave it out{name_it}")


def _own(task: Task) -> Iterator[tuple[bool, tuple[str, ...], str]]:
    """Yield whether a task has a part of training of its own, the settings of the usual one, and its name."""
    yield has_own_step(task), _OF_STEP, "has a training step of its own"
    yield task.batches_per_epoch is not None, _OF_BATCHES, "makes its own batches"


def settings_without_effect(task: Task, training: Training) -> set[str]:
    """Return the names of settings that a training does not go by, whatever their values.

    Args:
        task: What is trained.
        training: Settings with every value decided.
    """
    own = {each for is_own_, settings, _ in _own(task) if is_own_ for each in settings}
    found = own - set(task.uses_settings)
    function = training.optimizers.get(training.optimizer)
    used = {"adam": ("betas",), "adamw": ("betas",), "sgd": ("momentum",)}.get(training.optimizer, ())
    for name in ("momentum", "betas", "weight_decay"):
        if not takes(function, name) if function else name not in (*used, "weight_decay"):
            found.add(name)
    needs = {
        "padding": bool(training.crop or training.rotate),
        "focal_gamma": training.loss == "focal",
        "lr_decay": training.schedule in ("step", "exponential"),
        "milestones": training.schedule == "step",
    }
    # A task whose step is its own may go by a setting whatever else is set.
    found |= {name for name, needed in needs.items() if not needed and name not in task.uses_settings}
    return found


def _is_set(training: Training, name: str) -> bool:
    return any(value != _DEFAULTS[name] for value in possible_values(getattr(training, name)))
