"""Lines on what runs: trainings that take long, and what comes before the trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import optuna
from optuna.trial import FrozenTrial

from optnas.reports.front_table import objective_names
from optnas.reports.numbers import short
from optnas.shown import duration
from optnas.trials.record import ONE_SHOT, SCREENING, SUPERNET
from optnas.trials.rungs import rungs_of
from optnas.trials.under_way import stages

__all__ = ["done_first", "running_told"]

_MOST_LINES = 4


def running_told(study: optuna.Study, trials: Sequence[FrozenTrial]) -> Iterator[str]:
    """Yield a line on each of the first running trials whose workers have told how far they are.

    A worker tells it with its beat, every ten seconds, so that short trainings have none.
    """
    found = stages(trials)
    by_number = {trial.number: trial for trial in trials if trial.number in found}
    names = objective_names(study)
    for number, stage in sorted(found.items())[:_MOST_LINES]:
        line = f"trial {number}: {stage}"
        if rungs := rungs_of(by_number[number]):
            last = max(rungs)
            values = ", ".join(f"{n} {short(v)}" for n, v in zip(names, rungs[last], strict=False))
            line += f"   {values} at {'step' if stage.epochs is None else 'epoch'} {last}"
        yield line
    if len(found) > _MOST_LINES:
        yield f"… and {len(found) - _MOST_LINES} more"


def done_first(study: optuna.Study) -> Iterator[str]:
    """Yield how far what comes before the trials is: a screening of candidates, a supernet's training."""
    if (found := SCREENING.of(study)) is not None:
        of = f" of up to {found['of']:g}" if found["scored"] < found["of"] else ""
        yield f"screening: {found['scored']:g}{of} candidates, {duration(found['seconds'])}"
    if (found := SUPERNET.of(study)) is not None:
        left = f"epoch {found['epoch']:g} of {found['epochs']:g}"
        if found["epoch"] >= found["epochs"]:
            left = "trained" if ONE_SHOT.of(study) else "trained, its architectures are compared"
        yield f"supernet: {left}, {duration(found['seconds'])}"
