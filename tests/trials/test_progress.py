from __future__ import annotations

import datetime
import random
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from optnas import Study, Training, choose, data, maximize, minimize, ops, tasks
from optnas.trials import progress
from optnas.trials.failure import last_failure, last_infeasible
from optnas.trials.progress import ProgressReader, equal_to, front, sampler_share, worst_useful
from optnas.trials.volume import hypervolume
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


def random_end(study: optuna.Study, trial: optuna.Trial, draw: random.Random) -> None:
    """End a trial in one of all ways, with values that many others have as well."""
    trial.set_user_attr("run", {"suggest_seconds": draw.random()})
    if draw.random() < 0.3:
        trial.set_constraint("params", draw.choice([-1.0, 1.0]))
    state = draw.choice([TrialState.COMPLETE] * 3 + [TrialState.PRUNED, TrialState.FAIL])
    if state == TrialState.FAIL:
        trial.set_user_attr("reason", draw.choice(["ValueError: a", "RuntimeError: b"]))
    values = [float(draw.randrange(6)), float(draw.randrange(6))]
    study.tell(trial, values if state == TrialState.COMPLETE else None, state=state)


def numbered(found: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    """Return the number of the trial that stands first, and what is told of it."""
    return None if found is None else (found[0].number, *found[1:])


@pytest.mark.parametrize("seed", range(5))
def test_progress_read_again_and_again_is_what_all_trials_tell(seed: int) -> None:
    draw = random.Random(seed)
    study = optuna.create_study(directions=["maximize", "minimize"])
    reader = ProgressReader(study, 99, since=time.monotonic() - 60, finished_before=0)
    running: list[optuna.Trial] = []
    for _ in range(60):
        running.append(study.ask())
        draw.shuffle(running)  # they end in another order than they begin
        while len(running) > 4:
            random_end(study, running.pop(), draw)
        if draw.random() < 0.5:
            continue
        now, trials = reader.read(), study.get_trials(deepcopy=False)
        states = [trial.state for trial in trials]
        assert now.complete == states.count(TrialState.COMPLETE)
        assert now.pruned == states.count(TrialState.PRUNED)
        assert now.failed == states.count(TrialState.FAIL)
        assert now.running == states.count(TrialState.RUNNING)
        best = front(study, trials)
        assert [trial.number for trial in now.front] == [trial.number for trial in best]
        assert now.equal == equal_to(best, trials)
        assert now.hypervolume == hypervolume(study, trials)
        assert now.sampler_share == pytest.approx(sampler_share(trials))
        assert numbered(now.last_failure) == numbered(last_failure(trials))
        assert numbered(now.last_infeasible) == numbered(last_infeasible(trials))


def test_a_trial_that_ended_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study()
    study.add_trials([create_trial(value=float(i)) for i in range(20)])
    reader = ProgressReader(study, 99, since=time.monotonic(), finished_before=0)
    seen: list[int] = []

    def looked(trial: optuna.trial.FrozenTrial) -> bool:
        seen.append(trial.number)
        return True

    monkeypatch.setattr(progress, "is_feasible", looked)
    assert reader.read().complete == 20
    assert seen[:20] == list(range(20))
    del seen[:]
    study.add_trial(create_trial(value=-1.0))
    assert [trial.number for trial in reader.read().front] == [20]
    assert set(seen) == {0, 20}, "the front and what is new"
    del seen[:]
    assert reader.read().complete == 21
    assert seen == []
