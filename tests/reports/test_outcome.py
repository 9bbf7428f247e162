"""Where no trial is complete, it is said what became of all and what to do."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from optnas.reports.outcome import outcome
from optnas.reports.report import report
from optnas.trials.record import ABOUT, REASON


@pytest.fixture
def study() -> optuna.Study:
    study = optuna.create_study(study_name="digits", directions=["maximize", "minimize"])
    ABOUT.put(study, {"file": "studies/digits.py"})
    return study


def add(study: optuna.Study, state: TrialState, reason: str | None = None, **more: float) -> None:
    attributes = {} if reason is None else {REASON.name: reason}
    study.add_trial(create_trial(state=state, user_attrs=attributes, constraints=more or None))


def told(study: optuna.Study) -> str:
    return " ".join(outcome(study, study.get_trials(deepcopy=False)))


def test_a_study_without_trials_is_told_how_to_search(study: optuna.Study) -> None:
    assert "optnas run studies/digits.py --trials 100" in told(study)


def test_trials_that_run_are_no_failure(study: optuna.Study) -> None:
    study.ask()
    study.enqueue_trial({})
    assert told(study).startswith("None of 2 trials has ended yet; 1 runs.")


def test_failures_are_told_by_reason_with_where_to_look(study: optuna.Study) -> None:
    for i in range(5):
        add(study, TrialState.FAIL, f"ValueError: expected {i} inputs\x1b[31m\nhere")
    add(study, TrialState.FAIL, "RuntimeError: out of memory")
    said = told(study)
    assert "Failed: 6. " in said
    assert "expected 4 inputs" in said
    assert "(5, the last is 4); RuntimeError: out of memory (1, the last is 5)." in said
    assert "optnas show 4 --study digits" in said
    assert not {"\x1b", "\n"} & set(said)
    assert "optnas show 4" in report(study)


def test_where_all_break_a_limit_it_is_named(study: optuna.Study) -> None:
    add(study, TrialState.PRUNED, limit=0.7)
    assert "breaks limit (1, the last is 0)" in told(study)
    assert "Loosen the limits" in told(study)


def test_one_complete_trial_is_enough_to_go_by(study: optuna.Study) -> None:
    add(study, TrialState.FAIL, "RuntimeError")
    study.add_trial(create_trial(values=[0.5, 1.0]))
    assert told(study) == ""
