"""Reasons why trials of a study are not complete, and what to do where none is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from optnas.reports.about import about
from optnas.reports.commands import command
from optnas.shown import one_line
from optnas.trials.record import PAUSED, REASON, constraints_of, is_feasible
from optnas.trials.states import LEARNED_NOTHING, state_of

__all__ = ["Reason", "outcome", "reasons", "stopped"]

_MOST_REASONS = 3
_UNKNOWN = "its record says no more"
_TRIALS = 100
_NOTHING = "Stopped because they had learned nothing"


@dataclass(frozen=True)
class Reason:
    """Why trials are not complete.

    Attributes:
        said: What the last of them says; the others may differ in numbers.
        count: How many there are.
        last: The number of the last one.
    """

    said: str
    count: int
    last: int


def stopped(trials: Iterable[FrozenTrial]) -> dict[str, list[FrozenTrial]]:
    """Return the finished trials that are not complete, by how they ended, in words."""
    trials = list(trials)
    nothing = [trial for trial in trials if state_of(trial) == LEARNED_NOTHING]
    pruned = [trial for trial in trials if state_of(trial) == "pruned"]
    return {
        "Stopped early by the pruner": [t for t in pruned if is_feasible(t) and PAUSED.of(t) is None],
        _NOTHING: nothing,
        "Paused, and not resumed": [t for t in pruned if is_feasible(t) and PAUSED.of(t) is not None],
        "Not trained, or not to the end, because they break a limit": [
            t for t in pruned if not is_feasible(t)
        ],
        "Failed": [trial for trial in trials if trial.state == TrialState.FAIL],
    }


def reasons(trials: Sequence[FrozenTrial]) -> list[Reason]:
    """Return the reasons of trials, equal but for their numbers, the most frequent first."""
    found: dict[str, list[FrozenTrial]] = {}
    for trial in trials:
        found.setdefault(re.sub(r"\d[\d.,e+-]*", "…", _reason(trial)), []).append(trial)
    most = sorted(found.values(), key=len, reverse=True)
    return [Reason(_reason(of[-1]), len(of), of[-1].number) for of in most]


def _reason(trial: FrozenTrial) -> str:
    broken = [name for name, violation in constraints_of(trial).items() if violation > 0]
    return REASON.of(trial) or (f"breaks {', '.join(broken)}" if broken else _UNKNOWN)


def outcome(study: optuna.Study, trials: Sequence[FrozenTrial], file: str | None = None) -> list[str]:
    """Return, if no trial is complete, what became of them and what to do, in sentences; else nothing.

    Args:
        study: The study.
        trials: Its trials.
        file: The study's file, for the commands; by default as recorded.
    """
    if any(trial.state == TrialState.COMPLETE for trial in trials):
        return []
    run = command(study, "run", file or about(study).file or "STUDY.py", "--trials", _TRIALS)
    finished = sum(trial.state.is_finished() for trial in trials)
    if not trials:
        return [f"No trial has begun: there is nothing to tell yet. To search: {run}"]
    if not finished:
        running = sum(trial.state == TrialState.RUNNING for trial in trials)
        said = f"{running} run{'s' * (running == 1)}" if running else "none runs"
        return [f"None of {len(trials):,} trials has ended yet; {said}. If no worker is at work: {run}"]
    said_of_all = [f"None of the {finished:,} finished trials is complete."]
    groups = {title: of for title, of in stopped(trials).items() if of}
    for title, of in groups.items():
        most = reasons(of)
        told = "; ".join(
            f"{one_line(r.said)} ({r.count:,}, the last is {r.last})" for r in most[:_MOST_REASONS]
        )
        said_of_all.append(f"{title}: {len(of):,}. {told}{'; and others' * (len(most) > _MOST_REASONS)}.")
    if "Failed" in groups:
        show = command(study, "show", reasons(groups["Failed"])[0].last, "--study", study.study_name)
        said_of_all.append(f"Where a failure comes from is told by: {show}")
        said_of_all.append(f"Once its cause is mended, search on: {run}")
    elif len(groups) == 1 and next(iter(groups)).startswith("Not trained"):
        said_of_all.append(f"Loosen the limits, or let the space have smaller networks, and search on: {run}")
    elif list(groups) == [_NOTHING]:
        said_of_all.append(
            "Search other learning rates, give trials more epochs, or let them go on by"
            f" Training(hopeless_after=0), and search on: {run}"
        )
    else:
        said_of_all.append(f"Let the pruner wait longer, or search on: {run}")
    return said_of_all
