"""A trial's record: every attribute that is read or written, by name and type, once.

All but those of :class:`SystemAttribute` are user attributes, which dashboards show.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import optuna
from optuna.trial import FrozenTrial, Trial

from optnas.trials.internals import set_system_attr, set_user_attr

__all__ = [
    "ARCHITECTURE",
    "BUILDABLE",
    "CHECKPOINT",
    "CHECKPOINT_NAME",
    "COSTS",
    "EAGER",
    "FINITE",
    "FROM",
    "HOPELESS",
    "KEY",
    "MEASURED_ON",
    "MEMORY",
    "METRICS",
    "PAUSED",
    "PIECES",
    "PROMOTES",
    "REASON",
    "REGION",
    "RESUMED",
    "RUN",
    "SPACE",
    "TWIN",
    "WORKER",
    "Attribute",
    "StudyAttribute",
    "SystemAttribute",
    "suggest_seconds",
    "training_seconds",
]

_Value = TypeVar("_Value")


class Attribute(Generic[_Value]):
    """A user attribute of a trial.

    Args:
        name: What it is called in the storage.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def of(self, trial: FrozenTrial) -> _Value | None:
        """Return its value in a trial's record; ``None`` where it is not there."""
        value: _Value | None = trial.user_attrs.get(self.name)
        return value

    def get(self, trial: FrozenTrial, default: _Value) -> _Value:
        """Return its value in a trial's record, or ``default`` where it is not there."""
        value: _Value = trial.user_attrs.get(self.name, default)
        return value

    def put(self, trial: Trial, value: _Value | None) -> None:
        """Write it to the record of a running trial."""
        trial.set_user_attr(self.name, value)

    def put_in(self, study: optuna.Study, trial: FrozenTrial, value: _Value | None) -> None:
        """Write it to the record of a trial that this process need not be running."""
        set_user_attr(study, trial, self.name, value)


class SystemAttribute(Attribute[_Value]):
    """An attribute for programs alone: dashboards do not show it."""

    def of(self, trial: FrozenTrial) -> _Value | None:
        value: _Value | None = trial.system_attrs.get(self.name)
        return value

    def get(self, trial: FrozenTrial, default: _Value) -> _Value:
        value: _Value = trial.system_attrs.get(self.name, default)
        return value

    def put(self, trial: Trial, value: _Value | None) -> None:
        set_system_attr(trial, self.name, value)


class StudyAttribute(Generic[_Value]):
    """A user attribute of a study.

    Args:
        name: What it is called in the storage.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def of(self, study: optuna.Study) -> _Value | None:
        """Return its value; ``None`` where it is not there."""
        value: _Value | None = study.user_attrs.get(self.name)
        return value

    def put(self, study: optuna.Study, value: _Value) -> None:
        """Write it."""
        study.set_user_attr(self.name, value)


ARCHITECTURE = Attribute[str]("architecture")
"""The architecture's text, which :func:`optnas.parse` reads."""
KEY = Attribute[str]("key")
"""The candidate's digest: trials with equal keys train the same network in the same way."""
COSTS = Attribute[dict[str, float]]("costs")
"""What was known before the training, by name: exact costs, and what was measured of the built network."""
METRICS = Attribute[dict[str, float]]("metrics")
"""What the evaluation returned, by name, and ``seconds``, how long it took."""
RUN = Attribute[dict[str, Any]]("run")
"""How the trial was run: ``device``, ``threads``, ``seed`` and ``suggest_seconds``."""
REASON = Attribute[str]("reason")
"""Why the trial did not complete, in words."""
TWIN = Attribute[int]("twin")
"""The number of the trial with the same candidate whose values these are: this one was not trained."""
HOPELESS = Attribute[bool]("hopeless")
"""Whether the trial was ended as it had learned nothing: it would have come to no more than it had."""
PAUSED = Attribute[int]("paused")
"""The step at which the trial was paused."""
PROMOTES = Attribute[int]("promotes")
"""The number of the paused trial that this one resumes."""
RESUMED = Attribute[int]("resumed")
"""The epoch of the checkpoint that the training resumed from."""
CHECKPOINT = Attribute[str]("checkpoint")
"""Why checkpoints could not be written or read, in words."""
PIECES = Attribute[int]("pieces")
"""In how many parts a batch went through the network, as whole ones did not fit in memory."""
EAGER = Attribute[str]("eager")
"""Why the training's steps on CUDA were no graph, in words."""
WORKER = Attribute[dict[str, Any]]("worker")
"""Which worker holds the trial, and since when (:mod:`optnas.run.liveness`)."""

FROM = SystemAttribute[int]("optnas:from")
"""The step at which the trial was paused that this one resumes."""
CHECKPOINT_NAME = SystemAttribute[str]("optnas:checkpoint")
"""What the trial's checkpoints are called in the artifact store."""

REGION = StudyAttribute[dict[str, Any]]("region")
"""Which values are of use (:class:`optnas.trials.region.Region`)."""
SPACE = StudyAttribute[dict[str, str]]("space")
"""Every parameter's distribution in words, to notice a study file that changed."""
MEASURED_ON = StudyAttribute[str]("measured_on")
"""Where latency, energy or memory are measured: a study compares only what was measured there."""

BUILDABLE, FINITE, MEMORY = "buildable", "finite", "memory"
"""Constraints that optnas sets itself: broken by an architecture that cannot be built, a training that
diverged, and one that ran out of memory."""


def suggest_seconds(trial: FrozenTrial) -> float | None:
    """Return how long the sampler took to suggest the trial's parameters, if that was recorded."""
    seconds: float | None = RUN.get(trial, {}).get("suggest_seconds")
    return seconds


def training_seconds(trial: FrozenTrial) -> float | None:
    """Return how long the trial's own evaluation took; ``None`` where it has none or nobody recorded it."""
    if trial.state != optuna.trial.TrialState.COMPLETE or TWIN.of(trial) is not None:
        return None
    seconds = METRICS.get(trial, {}).get("seconds")
    return seconds if isinstance(seconds, int | float) and seconds > 0 else None
