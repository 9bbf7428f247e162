"""Data of a finished trial that the loggers write: values, costs, metrics, parameters, learning curve."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from optnas.shown import one_line, plain
from optnas.trials.record import ARCHITECTURE, COSTS, METRICS, REASON, objective_names
from optnas.trials.rungs import rungs_of

__all__ = ["Entry"]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A finished trial, its texts without control characters.

    Attributes:
        study: The study's name.
        number: The trial's number.
        state: How it ended: ``complete``, ``pruned`` or ``fail``.
        reason: Why it did not complete; empty if it did.
        architecture: Its text; empty if the trial has none.
        params: Its parameters.
        curve: The objectives' values at rungs, by step.
        figures: Single figures, by name: ``value/…`` the objectives, ``cost/…`` what was known before the
            training, ``metric/…`` what was measured after it.
        start: When it began, in seconds since the epoch.
        end: When it ended.
        id: A digest of the study's name, the trial's number and its beginning.
    """

    study: str
    number: int
    state: str
    reason: str
    architecture: str
    params: dict[str, Any]
    curve: dict[int, dict[str, float]]
    figures: dict[str, float]
    start: float
    end: float

    @classmethod
    def of(cls, study: optuna.Study, trial: FrozenTrial) -> Entry:
        names = [plain(name) for name in objective_names(study)]
        values = dict(zip(names, trial.values or (), strict=False))
        start, end = (
            0.0 if time is None else time.timestamp()
            for time in (trial.datetime_start, trial.datetime_complete)
        )
        return cls(
            study=study.study_name,
            number=trial.number,
            state=trial.state.name.lower(),
            reason=one_line(REASON.get(trial, "")),
            architecture=plain(ARCHITECTURE.get(trial, "")),
            params={
                plain(name): plain(value) if isinstance(value, str) else value
                for name, value in trial.params.items()
            },
            curve={step: dict(zip(names, found, strict=False)) for step, found in rungs_of(trial).items()},
            figures={
                f"{kind}/{plain(name)}": value
                for kind, found in (
                    ("value", values),
                    ("cost", COSTS.get(trial, {})),
                    ("metric", METRICS.get(trial, {})),
                )
                for name, value in found.items()
            },
            start=start,
            end=end,
        )

    @property
    def id(self) -> str:
        return hashlib.blake2b(
            f"{self.study}/{self.number}/{self.start}".encode(), digest_size=10
        ).hexdigest()
