"""Paused trials and the trials that resume them."""

from __future__ import annotations

from optuna.study import Study
from optuna.trial import FrozenTrial

from optnas.trials.record import PAUSED, PROMOTES
from optnas.trials.rungs import rungs_of

__all__ = ["lineage", "paused_at", "promoted_by", "promotes"]


def paused_at(trial: FrozenTrial) -> int | None:
    """Return the step at which ``trial`` was paused; ``None`` if it never was, or trained on since."""
    step = PAUSED.of(trial)
    return step if step is None or step == max(rungs_of(trial), default=None) else None


def promotes(trial: FrozenTrial) -> int | None:
    """Return the number of the paused trial that ``trial`` resumes, an earlier one; ``None`` for none."""
    number = PROMOTES.of(trial)
    return number if number is None or number < trial.number else None


def lineage(study: Study, trial: FrozenTrial) -> list[FrozenTrial]:
    """Return ``trial``, the paused trial that it resumes, the one that this one resumed, and so on."""
    line = [trial]
    while (number := promotes(line[-1])) is not None:
        line.append(study.get_trials(deepcopy=False)[number])
    return line


def promoted_by(study: Study, trial: FrozenTrial) -> int | None:
    """Return the number of the trial that resumes ``trial``; ``None`` if it was not promoted."""
    trials = study.get_trials(deepcopy=False)
    return next((t.number for t in trials if promotes(t) == trial.number), None)
