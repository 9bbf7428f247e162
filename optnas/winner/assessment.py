"""Assessment of a trained network: its calibration, its mistakes, how sure its metrics are, its latency."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from optnas.answers import Classes
from optnas.measure.measuring import Measuring, measure_round
from optnas.measure.rounds import quiet_rounds
from optnas.train.device import default_device, forked_random
from optnas.train.loop import evaluate
from optnas.winner.calibration import Calibration, fitted_temperature
from optnas.winner.confusion import confusion_record
from optnas.winner.ensemble import Ensemble
from optnas.winner.full_training import Plan, TrainingHistory
from optnas.winner.intervals import has_intervals, intervals
from optnas.winner.part_outputs import logits_of, outputs_of

__all__ = ["Assessment", "assess", "metrics_on", "network_of"]

_LATENCY = ("latency_ms", "latency_p95_ms")


@dataclasses.dataclass(frozen=True)
class Assessment:
    """Calibration, mistakes, intervals and latency of a trained network, beside its metrics.

    Attributes:
        calibration: The temperature of its logits; ``None`` if it does not answer with classes.
        confusion: ``part``, and what :func:`~optnas.winner.confusion.confusion_record` says of it; likewise.
        intervals: ``part``, and the 95 % confidence interval of each metric there; empty where there are
            none (:func:`~optnas.winner.intervals.intervals`).
        latency: ``latency_ms`` and ``latency_p95_ms`` of one sample, and what they were measured ``on``.
    """

    calibration: Calibration | None = None
    confusion: Mapping[str, Any] | None = None
    intervals: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    latency: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def temperature(self) -> float:
        """The temperature that its logits are divided by."""
        return 1.0 if self.calibration is None else self.calibration.temperature

    def record(self) -> dict[str, Any]:
        """Return what stands in ``metrics.json``."""
        calibration = {} if self.calibration is None else {"calibration": self.calibration.record()}
        confusion = {} if self.confusion is None else {"confusion": dict(self.confusion)}
        return {
            **calibration,
            **confusion,
            "intervals": dict(self.intervals),
            "latency": dict(self.latency),
        }


def assess(plan: Plan, chosen: Sequence[TrainingHistory], kept: Sequence[TrainingHistory]) -> Assessment:
    """Fit a temperature on validation; measure it, the classes told apart and how sure that is on test.

    Args:
        plan: What was trained.
        chosen: One training, or all members of an ensemble, which did not learn from the validation part.
        kept: Those whose weights are kept: the same, or trained once more with the validation part too.
    """
    answer, parts = plan.task.answer, plan.task.data.on(default_device(plan.training.device))
    part = "test" if len(parts.test) else "validation"
    samples, sampled = getattr(parts, part), has_intervals(plan.task)
    if not (sampled or isinstance(answer, Classes)):
        return Assessment(latency=_latency(plan))
    outputs = outputs_of(network_of(plan, kept), samples, parts.prepare)
    found = intervals(plan.task, outputs, samples.y) if sampled else {}
    sure = {"part": part, **{name: list(each) for name, each in found.items()}} if found else {}
    if not isinstance(answer, Classes):
        return Assessment(intervals=sure, latency=_latency(plan))
    before = outputs_of(network_of(plan, chosen), parts.validation, parts.prepare)
    logits, targets = logits_of(before, parts.validation)
    calibration = Calibration(fitted_temperature(logits, targets)).measured("validation", logits, targets)
    if part == "test":
        logits, targets = logits_of(outputs, samples)
        calibration = calibration.measured(part, logits, targets)
    confusion = {"part": part, **confusion_record(logits, targets, answer.names)}
    return Assessment(calibration, confusion, sure, _latency(plan))


def _latency(plan: Plan) -> dict[str, Any]:
    """Return the latency of one prepared sample through the network of one seed, in plain PyTorch."""
    measuring = Measuring()
    with forked_random():
        found = quiet_rounds(
            lambda names: measure_round(names, lambda: plan.build(0), plan.task, plan.training, measuring),
            _LATENCY,
        )
    return {**found, "on": measuring.fingerprint(_LATENCY, plan.training)}


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
    return evaluate(network_of(plan, trainings), plan.task, samples, parts.prepare)


def network_of(plan: Plan, trainings: Sequence[TrainingHistory]) -> nn.Module:
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
