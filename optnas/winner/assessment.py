"""What a trained network gets right and wrong: measured on validation to calibrate it, on test to tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from optnas.answers import Classes
from optnas.train.device import default_device, forked_random
from optnas.train.loop import evaluate
from optnas.winner.calibration import Calibration, fitted_temperature
from optnas.winner.confusion import confusion_record
from optnas.winner.ensemble import Ensemble
from optnas.winner.full_training import Plan, TrainingHistory
from optnas.winner.part_outputs import outputs_of

__all__ = ["Assessment", "assess", "metrics_on"]


@dataclasses.dataclass(frozen=True)
class Assessment:
    """What is known of a network that answers with classes; without these all is empty.

    Attributes:
        calibration: The temperature of its logits.
        confusion: ``part``, and what :func:`~optnas.winner.confusion.confusion_record` says of it.
    """

    calibration: Calibration | None = None
    confusion: Mapping[str, Any] | None = None

    @property
    def temperature(self) -> float:
        """What its logits are divided by."""
        return 1.0 if self.calibration is None else self.calibration.temperature

    def record(self) -> dict[str, Any]:
        """Return what stands in ``metrics.json``."""
        calibration = {} if self.calibration is None else {"calibration": self.calibration.record()}
        return {**calibration, **({} if self.confusion is None else {"confusion": dict(self.confusion)})}


def assess(plan: Plan, chosen: Sequence[TrainingHistory], kept: Sequence[TrainingHistory]) -> Assessment:
    """Fit a temperature on the validation part, and measure it and the classes told apart on the test part.

    Args:
        plan: What was trained.
        chosen: One training, or all members of an ensemble, which did not learn from the validation part.
        kept: Those whose weights are kept: the same, or trained once more with the validation part too.
    """
    answer = plan.task.answer
    if not isinstance(answer, Classes):
        return Assessment()
    parts = plan.task.data.on(default_device(plan.training.device))
    logits, targets = outputs_of(_module(plan, chosen), parts.validation, parts.prepare)
    calibration = Calibration(fitted_temperature(logits, targets)).measured("validation", logits, targets)
    part = "validation"
    if len(parts.test):
        part = "test"
        logits, targets = outputs_of(_module(plan, kept), parts.test, parts.prepare)
        calibration = calibration.measured(part, logits, targets)
    return Assessment(calibration, {"part": part, **confusion_record(logits, targets, answer.names)})


def metrics_on(plan: Plan, part: str, trainings: Sequence[TrainingHistory]) -> dict[str, float]:
    """Return the task's metrics of one training's network, or of the ensemble of several.

    They are computed as by a user who loads the weights: by PyTorch's own layers, in float32.

    Args:
        plan: What was trained.
        part: ``"validation"`` or ``"test"``; without samples there are no metrics.
        trainings: The trainings, at least one, with their weights.
    """
    parts = plan.task.data.on(default_device(plan.training.device))
    samples = getattr(parts, part)
    if not len(samples):
        return {}
    return evaluate(_module(plan, trainings), plan.task, samples, parts.prepare)


def _module(plan: Plan, trainings: Sequence[TrainingHistory]) -> nn.Module:
    """Return the network with a training's weights on its device, or the ensemble of several."""
    members = []
    for training in trainings:
        with forked_random():
            members.append(plan.build(training.seed))
        members[-1].load_state_dict(training.weights)
    if len(members) == 1:
        module = members[0]
    else:
        module = Ensemble(members, classes=isinstance(plan.task.answer, Classes))
    return module.to(default_device(plan.training.device))
