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
    """Return the number of the paused trial that ``trial`` resumes, another one; ``None`` for none."""
    number = PROMOTES.of(trial)
    return None if number == trial.number else number


def lineage(study: Study, trial: FrozenTrial) -> list[FrozenTrial]:
    """Return ``trial``, the paused trial that it resumes, the one that this one resumed, and so on."""
    line = [trial]
    while (number := promotes(line[-1])) is not None:
        trials = study.get_trials(deepcopy=False)
        # A damaged record may name a trial that is not there, or that resumes this one.
        if number >= len(trials) or number in [each.number for each in line]:
            break
        line.append(trials[number])
    return line


def promoted_by(study: Study, trial: FrozenTrial) -> int | None:
    """Return the number of the trial that resumes ``trial``; ``None`` if it was not promoted."""
    trials = study.get_trials(deepcopy=False)
    return next((t.number for t in trials if promotes(t) == trial.number), None)
