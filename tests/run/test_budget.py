"""The total is exact, whatever happens to the processes on the way."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from optnas.run.claims import Claims
from optnas.run.files import load_study
from optnas.run.worker import EveryTrialFailed, work
from optnas.storages.opening import open_storage
from optnas.trials.record import WORKER
from tests.files import call, finish, quick_study, start


def stored(folder: Path, name: str = "quick") -> optuna.Study:
    return optuna.load_study(study_name=name, storage=open_storage(f"sqlite:///{folder}/optnas.db"))


def states(folder: Path) -> dict[str, int]:
    return counted(stored(folder))


def counted(study: optuna.Study) -> dict[str, int]:
    return dict(Counter(trial.state.name for trial in study.get_trials(deepcopy=False)))


def wait_for_trials(folder: Path, count: int) -> None:
    """Wait until ``count`` trials are complete and another one is running."""
    study: optuna.Study | None = None
    for _ in range(600):
        time.sleep(0.1)
        if not (folder / "optnas.db").exists():
            continue
        try:
            # Once: opening a database again and again takes the time of those that are waited for.
            study = study or stored(folder)
        except (KeyError, optuna.exceptions.StorageInternalError, ValueError):
            continue
        found = counted(study)
        if found.get("COMPLETE", 0) >= count and found.get("RUNNING", 0):
            return
    pytest.fail("the run did not begin")


def test_two_runs_at_once_end_with_the_total_between_them(tmp_path: Path) -> None:
    file = quick_study(tmp_path, seconds=0.05)
    runs = [start("run", file, "--trials", 30, "--workers", 1, folder=tmp_path) for _ in range(2)]
    for run in runs:
        finish(run)
    assert states(tmp_path) == {"COMPLETE": 30}
    pids = {WORKER.get(trial, {})["pid"] for trial in stored(tmp_path).trials}
    assert len(pids) == 2, "both took part"


def test_a_killed_worker_s_trial_is_taken_over_with_its_parameters(tmp_path: Path) -> None:
    file = quick_study(tmp_path, seconds=0.5)
    run = start("run", file, "--trials", 6, "--workers", 1, folder=tmp_path)
    wait_for_trials(tmp_path, 2)
    while not any(t.params for t in stored(tmp_path).trials if t.state == TrialState.RUNNING):
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    (lost,) = (t for t in stored(tmp_path).trials if t.state == TrialState.RUNNING)

    finish(start("run", file, "--trials", 6, "--workers", 1, folder=tmp_path))

    assert states(tmp_path) == {"COMPLETE": 6}
    again = stored(tmp_path).trials[lost.number]
    assert again.params == lost.params
    assert WORKER.get(again, {})["attempt"] == 2


def test_a_worker_process_that_is_killed_is_replaced_within_the_run(tmp_path: Path) -> None:
    file = quick_study(tmp_path, seconds=0.3)
    run = start("run", file, "--trials", 12, "--workers", 2, folder=tmp_path)
    wait_for_trials(tmp_path, 2)
    victim = psutil.Process(run.pid).children()[0]
    os.kill(victim.pid, signal.SIGKILL)
    finish(run)
    assert states(tmp_path) == {"COMPLETE": 12}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_ctrl_c_loses_nothing_and_leaves_nothing_running(tmp_path: Path, workers: int) -> None:
    file = quick_study(tmp_path, seconds=0.4)
    run = start("run", file, "--trials", 9, "--workers", workers, folder=tmp_path)
    wait_for_trials(tmp_path, 2)
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in output
    before = states(tmp_path)
    assert before.get("RUNNING", 0) == 0
    assert 2 <= before["COMPLETE"] < 9

    finish(start("run", file, "--trials", 9, folder=tmp_path))
    assert states(tmp_path) == {"COMPLETE": 9}


def test_an_interrupt_as_a_trial_is_claimed_puts_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = load_study(str(quick_study(tmp_path)))
    opened = study.open(open_storage(f"sqlite:///{tmp_path}/optnas.db"))
    make = Claims._new

    def interrupted(claims: Claims) -> int:
        make(claims)
        raise KeyboardInterrupt

    monkeypatch.setattr(Claims, "_new", interrupted)
    with pytest.raises(KeyboardInterrupt):
        work(study, opened, 3)
    assert states(tmp_path) == {"WAITING": 1}


def test_a_run_whose_total_is_reached_adds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = quick_study(tmp_path)
    for _ in range(2):
        assert call("run", file, "--trials", 5, "--workers", 1).exit_code == 0
    assert states(tmp_path) == {"COMPLETE": 5}


def test_a_trial_that_someone_enqueued_is_run_and_counts(tmp_path: Path) -> None:
    study = load_study(str(quick_study(tmp_path)))
    opened = study.open(open_storage(f"sqlite:///{tmp_path}/optnas.db"))
    opened.enqueue_trial({"width": 40})
    work(study, opened, 4)
    assert len(opened.trials) == 4
    assert opened.trials[0].params == {"width": 40}
    assert opened.trials[0].values == [0, 40]


def test_a_worker_that_dies_as_it_takes_up_a_waiting_trial_leaves_it_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dies(*_: object) -> None:
        raise SystemExit

    study = optuna.create_study()
    study.enqueue_trial({})
    storage = study._storage
    for write in ("set_trial_system_attr", "set_trial_state_values"):
        with monkeypatch.context() as patched:
            patched.setattr(storage, write, dies)
            with pytest.raises(SystemExit):
                Claims(study, 1).next()
        assert counted(study) == {"WAITING": 1}
    assert Claims(study, 1).next() == study.trials[0]._trial_id
    assert counted(study) == {"RUNNING": 1}


def test_a_waiting_trial_that_another_program_took_up_stays_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study()
    study.enqueue_trial({})
    claims = Claims(study, 2)
    seen = study.get_trials(deepcopy=True)
    theirs = study.ask()
    with monkeypatch.context() as patched:
        patched.setattr(study, "get_trials", lambda **_: seen)
        mine = claims.next()
    assert mine != theirs._trial_id
    claims.release()
    assert [trial.state.name for trial in study.trials] == ["RUNNING", "WAITING"]


@pytest.mark.slow
def test_a_trial_that_kills_its_worker_every_time_is_given_up(tmp_path: Path) -> None:
    file = quick_study(tmp_path, name="deadly")
    text = file.read_text().replace("time.sleep(0.0)", "import os; os._exit(9)")
    file.write_text(text)
    run = start("run", file, "--trials", 1, "--workers", 1, folder=tmp_path)
    run.wait(60)
    for _ in range(3):
        run = start("run", file, "--trials", 1, "--workers", 1, folder=tmp_path)
        run.communicate(timeout=60)
    (trial,) = stored(tmp_path, "deadly").trials
    assert trial.state == TrialState.FAIL
    assert "died 3 times" in trial.user_attrs["reason"]


def test_a_bug_in_every_trial_stops_the_run_with_that_error(tmp_path: Path) -> None:
    file = quick_study(tmp_path)
    file.write_text(file.read_text().replace("time.sleep(0.0)", "candidate.nonsense"))
    run = start("run", file, "--trials", 50, "--workers", 1, folder=tmp_path)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "every trial failed: AttributeError" in output
    assert "quick.py:6" in output
    assert states(tmp_path)["FAIL"] < 10


def test_one_broken_trial_does_not_end_the_search(tmp_path: Path) -> None:
    file = quick_study(tmp_path)
    broken = 'width % 2 == 0 and 1 / 0\n    return {"score"'
    file.write_text(file.read_text().replace('return {"score"', broken))
    study = load_study(str(file))
    opened = study.open(open_storage(f"sqlite:///{tmp_path}/optnas.db"))
    work(study, opened, 20)
    failed = [trial for trial in opened.trials if trial.state == TrialState.FAIL]
    assert len(opened.trials) == 20
    assert 0 < len(failed) < 20
    assert all("ZeroDivisionError" in trial.user_attrs["reason"] for trial in failed)


def test_a_space_in_which_nothing_can_be_built_stops_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "impossible.py"
    file.write_text(
        "from optnas import *\nfrom optnas import data, ops, tasks\n"
        "study = Study('impossible', ops.seq(ops.conv(choose(2, 4, 8)), ops.maxpool(9), ops.head()),\n"
        "    task=tasks.classification(data.digits()), objectives=[maximize('accuracy')])\n"
    )
    study = load_study(str(file))
    opened = study.open(open_storage(f"sqlite:///{tmp_path}/optnas.db"))
    with pytest.raises(EveryTrialFailed, match=r"maxpool\(9\) cannot be built"):
        work(study, opened, 100)


def test_workers_end_when_the_run_that_started_them_is_killed(tmp_path: Path) -> None:
    file = quick_study(tmp_path, seconds=0.3)
    run = start("run", file, "--trials", 1000, "--workers", 2, folder=tmp_path)
    wait_for_trials(tmp_path, 2)
    workers = psutil.Process(run.pid).children()
    run.kill()
    run.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive


def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    def params(url: str, totals: list[int]) -> list[dict[str, object]]:
        for total in totals:
            study = load_study(str(quick_study(tmp_path)))
            study.sampler = "tpe"
            opened = study.open(open_storage(url))
            work(study, opened, total)
        return [trial.params for trial in opened.trials]

    whole = params(f"sqlite:///{tmp_path}/whole.db", [20])
    pieces = params(f"sqlite:///{tmp_path}/pieces.db", [3, 12, 20])
    assert whole == pieces


def test_a_process_that_is_gone_leaves_no_child_behind(tmp_path: Path) -> None:
    file = quick_study(tmp_path, seconds=0.1)
    run = start("run", file, "--trials", 6, "--workers", 2, folder=tmp_path)
    wait_for_trials(tmp_path, 1)
    children = psutil.Process(run.pid).children()
    finish(run)
    assert not [child for child in children if child.is_running()]
