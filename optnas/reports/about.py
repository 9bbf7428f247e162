"""What a study declares, read from its record alone: no study file is run for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import optuna

from optnas.trials.record import ABOUT, TRAINING

__all__ = ["About", "about"]


@dataclasses.dataclass(frozen=True)
class About:
    """What a study file declares, as its record has it; ``None`` where that is not known.

    Texts are as they stand in the database, which is not trusted.

    Attributes:
        shape: The shape of one input, without the batch.
        context: Values that ops take from the task, such as ``outputs``.
        space: The search space's text, which :func:`optnas.drawing.reading.read` reads.
        size: The number of architectures in it, a continuous choice counted as one value.
        task: The kind of task, such as ``"classification"``; ``None`` also for an evaluation of one's own.
        data: The name of its data set.
        samples: The number of samples of each part: ``train``, ``validation``, ``test``.
        training: The training settings that can be searched, as texts.
        constraints: The constraints' names.
        file: The study's file, as ``optnas run`` was given it.
    """

    shape: tuple[int, ...] | None = None
    context: Mapping[str, Any] | None = None
    space: str | None = None
    size: float | None = None
    task: str | None = None
    data: str | None = None
    samples: Mapping[str, int] | None = None
    training: Mapping[str, str] | None = None
    constraints: tuple[str, ...] | None = None
    file: str | None = None


def about(study: optuna.Study) -> About:
    """Return what a study's record says of its declaration; of an older one the training alone."""
    found = dict(ABOUT.of(study) or {"training": TRAINING.of(study)})
    for name in ("shape", "constraints"):
        if found.get(name) is not None:
            found[name] = tuple(found[name])
    return About(**found)
