from __future__ import annotations

import datetime
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from optnas import Study, Training, choose, data, maximize, minimize, ops, tasks
from optnas.trials.progress import front, sampler_share, worst_useful
from tests.files import call


def ended(seconds: float, suggested: float | None) -> optuna.trial.FrozenTrial:
    begun = datetime.datetime(2026, 1, 1)
    trial = create_trial(state=TrialState.COMPLETE, value=1.0)
    trial.datetime_start, trial.datetime_complete = begun, begun + datetime.timedelta(seconds=seconds)
    if suggested is not None:
        trial.set_user_attr("run", {"suggest_seconds": suggested})
    return trial


def test_the_sampler_s_share_is_of_the_time_of_the_trials_that_say_so() -> None:
    assert sampler_share([ended(2.0, 0.1), ended(8.0, 0.4), ended(100.0, None)]) == pytest.approx(0.05)
    assert sampler_share([ended(2.0, None)]) is None
    assert sampler_share([]) is None


def test_a_trial_s_record_says_how_long_the_sampler_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(
        "small",
        ops.seq(ops.linear(choose(2, 4, name="width")), ops.head()),
        task=tasks.classification(data.sklearn("wine")),
        objectives=[maximize("accuracy")],
        training=Training(epochs=1),
    )
    opened = study.open(optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/optnas.db"))
    opened.optimize(study.objective, n_trials=2)
    for trial in opened.trials:
        if "twin" not in trial.user_attrs:
            assert 0 < trial.user_attrs["run"]["suggest_seconds"] < trial.duration.total_seconds()
    assert 0 < sampler_share(opened.trials) < 1  # type: ignore[operator]
    monkeypatch.chdir(tmp_path)
    told = call("status").output
    assert "sampler" in told
    assert "%" in told


def test_status_says_what_is_of_use_without_the_study_s_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/optnas.db")

    def opened(name: str, **limits: float) -> optuna.Study:
        study = Study(
            name,
            ops.seq(ops.linear(choose(2, 4, name="width")), ops.head()),
            task=tasks.classification(data.sklearn("wine")),
            objectives=[maximize("accuracy", **limits), minimize("params")],
        )
        found = study.open(storage)
        found.add_trial(create_trial(values=[0.9, 100.0]))
        return found

    usual, stated = opened("usual"), opened("stated", above=0.8)
    monkeypatch.chdir(tmp_path)
    told = call("status").output
    assert "accuracy ↑  best 0.9000  of use above 0.8000" in told
    # A fifth of the way to what the most frequent class would have, 14 of 36.
    assert worst_useful(usual, front(usual))[0] == pytest.approx(0.9 + 0.2 * (14 / 36 - 0.9))
    assert worst_useful(stated, front(stated)) == [0.8, None]
    # Another limit may be given to a study that is there.
    opened("stated", above=0.85)
    again = optuna.load_study(study_name="stated", storage=storage)
    assert worst_useful(again, front(again))[0] == 0.85
