"""Attributes of trials and studies: the name and type of each one that optnas reads or writes.

All but those of :class:`SystemAttribute` are user attributes, which dashboards show. Databases are not
trusted: each attribute says what it accepts (:mod:`optnas.trials.accepted`).
"""

from __future__ import annotations

import math
from typing import Any
from weakref import WeakKeyDictionary

import optuna
from optuna.trial import FrozenTrial

from optnas.trials.accepted import (
    Accepts,
    any_of,
    claim,
    damaged,
    finite,
    flag,
    listed,
    mapped,
    number,
    scalar,
    text,
    whole,
)
from optnas.trials.attribute import (
    Attribute,
    HiddenAttribute,
    StudyAttribute,
    StudySystemAttribute,
    SystemAttribute,
)
from optnas.trials.optuna_internals import study_system_attrs

__all__ = [
    "ABOUT",
    "ARCHITECTURE",
    "AXES",
    "BROKE",
    "BUILDABLE",
    "CHECKPOINT",
    "CHECKPOINT_NAME",
    "COSTS",
    "EAGER",
    "ENQUEUED",
    "FINITE",
    "FORMULAS",
    "FROM",
    "HOPELESS",
    "IGNORED",
    "INHERITED",
    "KEY",
    "LEARNED",
    "MEASURED_ON",
    "MEASUREMENTS",
    "MEMORY",
    "METRICS",
    "ONE_SHOT",
    "OPS",
    "PARENT",
    "PAUSED",
    "PIECES",
    "PROMOTES",
    "PUBLISHED",
    "REASON",
    "REGION",
    "RESUMED",
    "RUN",
    "SCORES",
    "SCREENED",
    "SCREENING",
    "SPACE",
    "STUDY_OPS",
    "SUPERNET",
    "TRACEBACK",
    "TRAINING",
    "TWIN",
    "UNBOUNDED",
    "WARM_START",
    "WEIGHTS",
    "WORKER",
    "Attribute",
    "HiddenAttribute",
    "StudyAttribute",
    "StudySystemAttribute",
    "SystemAttribute",
    "constraints_of",
    "explained_trials",
    "is_feasible",
    "metric_names",
    "objective_names",
    "sensitivity_attribute",
    "suggest_seconds",
    "training_seconds",
]


# Inputs by name are rarely nested, and what is read must not be without end.
_MOST_NESTED = 8


def _rounds(value: Any) -> bool:
    return (
        mapped(scalar, rounds=listed(finite), spread=any_of(finite))(value)
        and {"rounds", "spread"} <= value.keys()
    )


def _region(count: int) -> Accepts:
    ends = any_of(listed(any_of(finite), count), listed(any_of(finite), 0))
    region = mapped(lambda _: False, limits=ends, chance=ends, ideal=ends)
    return lambda value: region(value) and None not in value.values()


def _texts(_: int) -> Accepts:
    return mapped(text)


def _shape(value: Any, depth: int = 0) -> bool:
    if isinstance(value, dict) and value and depth < _MOST_NESTED:
        return mapped(lambda each: _shape(each, depth + 1))(value)
    return listed(whole)(value)


def _about(_: int) -> Accepts:
    plainly = any_of(scalar, listed(scalar))
    return mapped(
        lambda _: False,
        shape=any_of(_shape),
        context=mapped(plainly),
        space=any_of(text),
        size=any_of(finite),
        task=any_of(text),
        data=any_of(text),
        samples=mapped(whole),
        training=mapped(text),
        constraints=listed(text),
        file=any_of(text),
    )


def _sensitivity(_: int) -> Accepts:
    metrics = mapped(number)
    part = mapped(text, metrics=metrics, halved=metrics)
    return mapped(text, samples=whole, metrics=metrics, ablations=listed(part))


ARCHITECTURE = Attribute[str]("architecture", text)
"""The architecture's text, which :func:`optnas.parse` reads."""
KEY = HiddenAttribute[str]("key", text)
"""The candidate's digest: trials with equal keys train the same network in the same way."""
OPS = Attribute[dict[str, str]]("ops", mapped(text))
"""Digests of the source of the user's own ops, and of their loss and optimiser; missing if there are none."""
COSTS = Attribute[dict[str, float]]("costs", mapped(finite))
"""Costs known before training, by name: exact ones and measurements of the built network."""
MEASUREMENTS = Attribute[dict[str, dict[str, Any]]]("measurements", mapped(_rounds))
"""Measurements of noisy costs, by name: the figures of the ``rounds``, and the ``spread`` of the least."""
METRICS = Attribute[dict[str, float]]("metrics", mapped(number))
"""Metrics returned by the evaluation, by name, and ``seconds``, its duration."""
RUN = Attribute[dict[str, Any]]("run", mapped(scalar, suggest_seconds=finite))
"""Conditions of the evaluation: ``device``, ``threads``, ``seed`` and ``suggest_seconds``."""
REASON = Attribute[str]("reason", text)
"""Why the trial did not complete, in words."""
TRACEBACK = Attribute[str]("traceback", text)
"""The user's part of the traceback of the error that failed the trial."""
TWIN = Attribute[int]("twin", whole)
"""The number of the trial with the same candidate whose values were copied; this one was not trained."""
HOPELESS = Attribute[bool]("hopeless", flag)
"""Whether the trial was stopped because it had learned nothing and would not have improved."""
IGNORED = Attribute[dict[str, Any]]("ignored", mapped(scalar))
"""Enqueued parameters that the candidate does not have, such as those of an option that was not chosen."""
PAUSED = Attribute[int]("paused", whole)
"""The step at which the trial was paused."""
PROMOTES = Attribute[int]("promotes", whole)
"""The number of the paused trial that this one resumes."""
RESUMED = Attribute[int]("resumed", whole)
"""The epoch of the checkpoint that the training resumed from."""
CHECKPOINT = Attribute[str]("checkpoint", text)
"""Why checkpoints could not be written or read, in words."""
PIECES = Attribute[int]("pieces", whole)
"""Number of parts into which each batch was split because a whole one did not fit in memory."""
BROKE = Attribute[str]("broke", text)
"""How the GPU broke while the trial was trained first, in words; it is trained once more, alone."""
EAGER = Attribute[str]("eager", text)
"""Why training steps on CUDA were not recorded as a graph, in words."""
LEARNED = Attribute[str]("learned", text)
"""The architecture's text with the constants that its activations learned; missing if none was learned."""
UNBOUNDED = Attribute[str]("unbounded", text)
"""Why the network's Lipschitz constant has no upper bound, in words."""
INHERITED = Attribute[dict[str, Any]]("inherited", lambda value: _inherited(value))
"""Weights that the training began with: ``from`` a trial's number or ``"supernet"``, the ``share`` of the
network's weights that are from there, and whether the function was ``preserved``; or what was ``missing``."""
WORKER = HiddenAttribute[dict[str, Any]]("worker", claim)
"""The worker that holds the trial, and since when (:mod:`optnas.run.liveness`)."""

FROM = SystemAttribute[int]("optnas:from", whole)
"""The step at which the trial that this one resumes was paused."""
ENQUEUED = SystemAttribute[dict[str, Any]]("fixed_params", mapped(scalar))
"""Parameters that the trial was enqueued with, as ``study.enqueue_trial`` writes them."""
WARM_START = SystemAttribute[dict[str, Any]]("optnas:warm_start", mapped(scalar))
"""Parameters of a screened candidate that the trial tries; no other trial takes them."""
SCORES = SystemAttribute[dict[str, float]]("optnas:scores", mapped(finite))
"""Zero-cost scores of the trial's network by name, which a model of objectives has as inputs."""
PARENT = SystemAttribute[int]("optnas:parent", whole)
"""The number of the trial that the sampler changed into this one; of two the more similar one."""
WEIGHTS = SystemAttribute[str]("optnas:weights", text)
"""Name of the trial's trained weights in the artifact store, which may have been removed since."""
CHECKPOINT_NAME = SystemAttribute[str]("optnas:checkpoint", text)
"""Name of the trial's checkpoints in the artifact store."""

REGION = StudyAttribute[dict[str, Any]]("region", _region)
"""Region of interest among objective values (:class:`optnas.trials.region.Region`)."""
AXES = StudyAttribute[list[list[float | None]]](
    "axes", lambda count: listed(listed(any_of(finite), 2), count)
)
"""The worst and the best value of each objective that hypervolume counts (:mod:`optnas.trials.volume`)."""
SPACE = StudyAttribute[dict[str, str]]("space", _texts)
"""Every parameter's distribution as text, to detect that the study file has changed."""
FORMULAS = StudyAttribute[dict[str, str]]("formulas", _texts)
"""The formula of each objective that has a name of its own, for the same purpose."""
STUDY_OPS = StudyAttribute[dict[str, str]]("ops", _texts)
"""Digests of the source of the user's own ops, losses and optimisers when it was last run, by name."""
TRAINING = StudyAttribute[dict[str, str]]("training", _texts)
"""Every training setting that is searched or decides what is learned, as text, for the same purpose."""
ABOUT = StudyAttribute[dict[str, Any]]("about", _about)
"""The study file's declaration, for those who have only the database (:mod:`optnas.reports.about`)."""
MEASURED_ON = StudyAttribute[str]("measured_on", lambda _: text)
"""Hardware on which the study measures latency, energy or memory; no other is accepted."""
SUPERNET = StudyAttribute[dict[str, Any]]("supernet", lambda _: _supernet)
"""Progress of a supernet's training: ``strategy``, ``epoch`` of ``epochs``, and its ``seconds`` so far."""
ONE_SHOT = StudyAttribute[dict[str, Any]]("one_shot", lambda _: _one_shot)
"""Findings of a search on shared weights: ``strategy``, ``proposals`` (the best first), what was ``told``.

Where activations were mixed, ``mixtures`` are the texts of architectures that mix them so. ``weights`` is the
name of the supernet's state in the artifact store, if it is kept there.
"""
SCREENING = StudyAttribute[dict[str, float]]("screening", lambda _: _screening)
"""Progress of the screening of random candidates: ``scored`` of so many, and its ``seconds`` so far."""
SCREENED = StudySystemAttribute[dict[str, Any]]("optnas:screened", lambda _: _screened)
"""Random candidates, by their ``numbers``, with their ``scores`` (:mod:`optnas.samplers.screening`)."""
PUBLISHED = StudySystemAttribute[int]("optnas:published", lambda _: whole)
"""Number of finished trials when the study's figures for optuna-dashboard were written last."""

BUILDABLE, FINITE, MEMORY = "buildable", "finite", "memory"
"""Names of the constraints that optnas sets itself.

They are broken by an architecture that cannot be built, a training that diverged, and one that ran out
of memory.
"""


def _supernet(value: Any) -> bool:
    """Accept how far the training of a supernet is."""
    return mapped(finite, strategy=text)(value) and value.keys() >= {"epoch", "epochs", "seconds"}


def _one_shot(value: Any) -> bool:
    """Accept what a search on shared weights found."""
    return (
        isinstance(value, dict)
        and listed(mapped(scalar))(value.get("proposals"))
        and listed(text)(value.get("mixtures", ()))
        and any_of(text)(value.get("weights"))
    )


def _inherited(value: Any) -> bool:
    """Accept which weights a training began with."""
    known = mapped(scalar, share=finite, preserved=flag, missing=text)(value)
    return known and (whole(value.get("from")) or text(value.get("from")))


def _screening(value: Any) -> bool:
    """Accept how far the screening of candidates is."""
    return mapped(finite)(value) and value.keys() >= {"scored", "of", "seconds"}


def _screened(value: Any) -> bool:
    """Accept candidates with as many scores each as there are names."""
    known = {"names": listed(text), "numbers": listed(whole), "next": whole, "seconds": finite, "done": flag}
    if not (
        mapped(lambda _: True, seed=whole, **known)(value) and value.keys() >= {*known, "seed", "scores"}
    ):
        return False
    rows = listed(listed(finite, len(value["names"])), len(value["numbers"]))
    return rows(value["scores"])


# By study as it was loaded.
_named: WeakKeyDictionary[optuna.Study, list[str]] = WeakKeyDictionary()


def metric_names(study: optuna.Study, *, anew: bool = False) -> list[str] | None:
    """Return the names of a study's objectives; ``None`` if it has none, or damaged ones, which is told.

    Args:
        study: The study.
        anew: Whether to read them also if they were read before, by the same object.
    """
    if study in _named and not anew:
        return list(_named[study])
    found = study.metric_names  # reads everything that optuna-dashboard keeps of the study, its notes too
    if found is None or listed(text, len(study.directions))(found):
        if found is not None:
            _named[study] = list(found)
        return found
    damaged(f"study {study.study_name}", "study:metric_names")
    return None


def objective_names(study: optuna.Study) -> list[str]:
    """Return the names of a study's objectives, ``value 0`` and so on if it has none."""
    return metric_names(study) or [f"value {i}" for i in range(len(study.directions))]


# No study has as many trials.
_MOST_DIGITS = 12


def sensitivity_attribute(trial: int) -> StudySystemAttribute[dict[str, Any]]:
    """Return the attribute of how a trial's trained network depends on its parts.

    It is the study's, as the record of a finished trial is closed (:mod:`optnas.reports.ablations`).
    """
    return StudySystemAttribute(f"optnas:sensitivity:{trial}", _sensitivity)


def explained_trials(study: optuna.Study) -> list[int]:
    """Return the numbers of the trials that have such an attribute, in order."""
    prefix = sensitivity_attribute(0).name.removesuffix("0")
    numbers = [name.removeprefix(prefix) for name in study_system_attrs(study) if name.startswith(prefix)]
    return sorted(int(number) for number in numbers if number.isdecimal() and len(number) < _MOST_DIGITS)


def constraints_of(trial: FrozenTrial) -> dict[str, float]:
    """Return by how much each constraint is violated, by name; damaged ones are ignored and told."""
    try:
        found = trial.constraints
    except TypeError:
        damaged(f"trial {trial.number}", "constraints")
        return {}
    for name in [name for name, violation in found.items() if not number(violation)]:
        damaged(f"trial {trial.number}", f"constraints:{name}")
        del found[name]
    return found


def is_feasible(trial: FrozenTrial) -> bool:
    """Return whether a trial keeps all constraints that were looked at."""
    return all(violation <= 0 for violation in constraints_of(trial).values())


def suggest_seconds(trial: FrozenTrial) -> float | None:
    """Return how long the sampler took to suggest the trial's parameters; ``None`` if not recorded."""
    seconds: float | None = RUN.get(trial, {}).get("suggest_seconds")
    return seconds


def training_seconds(trial: FrozenTrial) -> float | None:
    """Return how long the trial's own evaluation took; ``None`` without one or if not recorded."""
    if trial.state != optuna.trial.TrialState.COMPLETE or TWIN.of(trial) is not None:
        return None
    seconds = METRICS.get(trial, {}).get("seconds")
    return seconds if seconds is not None and 0 < seconds < math.inf else None
