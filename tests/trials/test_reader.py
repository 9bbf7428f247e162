"""Trials are read incrementally: each one that ended is looked at once."""

from __future__ import annotations

import optuna
from optuna.trial import FrozenTrial, TrialState

from optnas.trials.reader import Reader


def reader(seen: list[tuple[int, str]]) -> Reader[list[int]]:
    """Return a reader whose state is the numbers of the trials that ended; ``seen`` is all that it takes."""

    def take(ended: list[int], trial: FrozenTrial) -> None:
        seen.append((trial.number, trial.state.name))
        if trial.state.is_finished():
            ended.append(trial.number)

    return Reader(lambda study: [], take)


def test_a_trial_that_ended_is_taken_once_and_one_that_runs_with_every_reading() -> None:
    study = optuna.create_study()
    seen: list[tuple[int, str]] = []
    read = reader(seen)
    study.tell(study.ask(), 1.0)
    running = study.ask()
    assert read.read(study, study.get_trials()) == [0]
    assert read.read(study, study.get_trials()) == [0]
    assert seen == [(0, "COMPLETE"), (1, "RUNNING"), (1, "RUNNING")]
    study.tell(running, state=TrialState.PRUNED)
    study.tell(study.ask(), 2.0)
    assert read.read(study, study.get_trials()) == [0, 1, 2]
    assert seen[3:] == [(1, "PRUNED"), (2, "COMPLETE")]


def test_another_study_begins_anew() -> None:
    first, second = optuna.create_study(), optuna.create_study()
    read = reader([])
    first.tell(first.ask(), 1.0)
    assert read.read(first, first.get_trials()) == [0]
    assert read.read(second, second.get_trials()) == []
    assert read.read(first, first.get_trials()) == [0]


def test_a_thread_that_has_seen_fewer_trials_loses_none() -> None:
    study = optuna.create_study()
    read = reader([])
    for _ in range(3):
        study.tell(study.ask(), 1.0)
    every = study.get_trials()
    assert read.read(study, every) == [0, 1, 2]
    study.ask()
    assert read.read(study, study.get_trials()) == [0, 1, 2]
    assert read.read(study, every) == [0, 1, 2]
    study.tell(3, 1.0)
    assert read.read(study, study.get_trials()) == [0, 1, 2, 3]
