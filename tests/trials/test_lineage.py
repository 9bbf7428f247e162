"""Paused trials and those that resume them."""

from __future__ import annotations

import optuna
from optuna.trial import TrialState

from optnas import report
from optnas.trials.lineage import lineage, paused_at, promoted_by, promotes
from optnas.trials.record import PAUSED, PROMOTES


def test_a_line_of_promotions_is_followed_to_its_first_trial() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    for number in range(3):
        trial = study.ask()
        report(trial, 3**number, (1.0, 2.0))
        if number:
            PROMOTES.put(trial, number - 1)
        if number < 2:
            PAUSED.put(trial, 3**number)
        study.tell(trial, None if number < 2 else (1.0, 2.0), TrialState.PRUNED if number < 2 else None)
    first, second, third = study.trials
    assert [trial.number for trial in lineage(study, third)] == [2, 1, 0]
    assert (paused_at(first), paused_at(second), paused_at(third)) == (1, 3, None)
    assert (promotes(first), promotes(third)) == (None, 1)
    assert (promoted_by(study, first), promoted_by(study, third)) == (1, None)


def test_a_trial_that_was_resumed_under_its_own_number_is_paused_no_more() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    trial = study.ask()
    report(trial, 1, (1.0, 2.0))
    PAUSED.put(trial, 1)
    assert paused_at(study.trials[0]) == 1
    report(trial, 2, (1.0, 2.0))
    assert paused_at(study.trials[0]) is None
