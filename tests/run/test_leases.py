"""Claims are leases: no clock is compared, and who lost one writes nothing."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from optnas.run import claims as claims_file
from optnas.run import liveness
from optnas.run.claims import Claims, NoTrial
from optnas.run.files import load_study
from optnas.run.liveness import BEAT_SECONDS, LEASE_SECONDS, Heartbeat, Worker, is_gone
from optnas.run.worker import work
from optnas.storages.fence import LeaseLost, fenced
from optnas.storages.lock import Lock
from optnas.storages.opening import open_storage
from optnas.trials.record import WORKER
from tests.files import quick_study


class Clock:
    """The time of :func:`optnas.storages.waiting.now`, which passes when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        for file in (claims_file, liveness):
            monkeypatch.setattr(file, "now", lambda: self.seconds)

    def passes(self, seconds: float, *watching: Claims) -> None:
        """Let time pass, while the hearts of some workers beat."""
        end = self.seconds + seconds
        while self.seconds < end:
            self.seconds = min(end, self.seconds + BEAT_SECONDS)
            for each in watching:
                each.beat()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    storage = open_storage(f"sqlite:///{tmp_path}/a.db")
    return optuna.create_study(study_name="a", storage=storage)


def on(study: optuna.Study, total: int = 2, **of_worker: Any) -> Claims:
    """Return the claims of another worker, by default one of another machine."""
    claims = Claims(study, total)
    claims.worker = Worker(**{**vars(claims.worker), "machine": "another", **of_worker})
    return claims


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials(deepcopy=False)]


def test_a_silent_worker_s_trial_is_taken_over_after_the_lease(study: optuna.Study, clock: Clock) -> None:
    silent, other = on(study, 1), on(study, 1)
    trial = silent.next()
    assert other.next() is NoTrial.WAIT
    clock.passes(LEASE_SECONDS - 1, other)
    assert other.next() is NoTrial.WAIT
    clock.passes(1, other)
    assert other.next() == trial
    assert WORKER.of(study.trials[0])["attempt"] == 2


def test_a_worker_that_beats_keeps_its_trial(study: optuna.Study, clock: Clock) -> None:
    alive, other = on(study, 1), on(study, 1)
    alive.next()
    other.next()
    clock.passes(20 * LEASE_SECONDS, alive, other)
    assert other.next() is NoTrial.WAIT
    alive.check()


@pytest.mark.parametrize("minutes", [-10, 10, 60 * 24 * 365])
def test_clocks_that_differ_change_nothing(
    study: optuna.Study, clock: Clock, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive, other = on(study, 1), on(study, 1)
    alive.next()
    clock.seconds += 60 * minutes  # as another machine counts
    assert other.next() is NoTrial.WAIT
    clock.passes(LEASE_SECONDS / 2, other)
    assert other.next() is NoTrial.WAIT


def test_who_could_not_see_the_storage_begins_to_observe_anew(study: optuna.Study, clock: Clock) -> None:
    """After an outage everybody's claims look old, as nobody could renew them."""
    alive, other = on(study, 1), on(study, 1)
    alive.next()
    other.next()
    clock.passes(10 * LEASE_SECONDS)
    assert other.next() is NoTrial.WAIT
    clock.passes(2 * BEAT_SECONDS, alive, other)
    clock.passes(LEASE_SECONDS / 2, other)
    assert other.next() is NoTrial.WAIT


@pytest.mark.parametrize("url", ["sqlite:///{}/b.db", "{}/b.log"])
def test_a_trial_of_an_older_optnas_is_taken_over_where_its_worker_sees_it(
    url: str, tmp_path: Path, clock: Clock
) -> None:
    study = optuna.create_study(storage=open_storage(url.format(tmp_path)))
    other = on(study, 1)
    of_older = {**dataclasses.asdict(other.worker), "worker": "older", "token": "a", "attempt": 1, "beat": 0}
    study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={"worker": of_older}))
    assert other.next() is NoTrial.WAIT
    clock.passes(LEASE_SECONDS, other)
    assert other.next() == study.trials[0]._trial_id
    claim = study.trials[0].user_attrs["worker"]
    assert (claim["worker"], claim["attempt"]) == (other.worker.worker, 2)
    other.beat()
    renewed = study.trials[0].user_attrs["worker"]
    assert renewed == {**claim, "beat": 1, "seen": renewed["seen"]}
    assert WORKER.name not in study.trials[0].system_attrs


def test_an_older_optnas_keeps_a_trial_that_a_newer_one_put_back(study: optuna.Study, clock: Clock) -> None:
    newer, other = on(study, 1), on(study, 1)
    newer.next()
    newer.release()
    (trial,) = study.trials
    older = {**dataclasses.asdict(other.worker), "worker": "older", "token": "a", "attempt": 1, "beat": 0}
    study._storage.set_trial_user_attr(trial._trial_id, "worker", older)
    study._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
    assert newer.next() is NoTrial.WAIT
    assert other.next() is NoTrial.WAIT


def test_a_worker_that_stood_still_drops_its_result(study: optuna.Study, clock: Clock) -> None:
    sleeper, other = on(study), on(study, 1)
    trial = sleeper.next()
    other.next()
    clock.passes(LEASE_SECONDS, other)
    assert other.next() == trial
    token = WORKER.of(study.trials[0])["token"]
    for write in (
        lambda: study._storage.set_trial_user_attr(trial, "late", 1),
        lambda: study._storage.set_trial_intermediate_value(trial, 1, 0.5),
        lambda: study._storage.set_trial_state_values(trial, TrialState.COMPLETE, [1.0]),
    ):
        with pytest.raises(LeaseLost), fenced(study._storage, trial, sleeper.check):
            write()
    sleeper.beat()
    (record,) = study.trials
    assert WORKER.of(record)["token"] == token, "and its claim is not written over the new one"
    assert record.state == TrialState.RUNNING
    assert "late" not in record.user_attrs
    assert not record.intermediate_values


def test_a_worker_that_stood_still_unnoticed_keeps_its_trial(study: optuna.Study, clock: Clock) -> None:
    sleeper = on(study)
    trial = sleeper.next()
    clock.passes(10 * LEASE_SECONDS)
    with fenced(study._storage, trial, sleeper.check):
        study._storage.set_trial_user_attr(trial, "late", 1)
    assert study.trials[0].user_attrs["late"] == 1
    assert WORKER.of(study.trials[0])["beat"] == 1


def test_the_work_goes_on_with_another_trial_after_a_lost_one(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = load_study(str(quick_study(tmp_path)))
    opened = declared.open(open_storage(f"sqlite:///{tmp_path}/a.db"))
    elsewhere = declared.open(open_storage(f"sqlite:///{tmp_path}/a.db"))
    evaluate, other, seen = declared.evaluate, on(elsewhere, 1), []

    def sleeps(candidate: Any, report: Callable[..., None]) -> dict[str, float]:
        seen.append(candidate)
        if len(seen) == 1:
            other.next()
            clock.passes(LEASE_SECONDS, other)
            assert other.next() == 1
        return evaluate(candidate, report)

    monkeypatch.setattr(declared, "evaluate", sleeps)
    work(declared, opened, 10, should_continue=lambda: len(seen) < 3)
    assert states(opened) == ["RUNNING", "COMPLETE", "COMPLETE"]
    assert WORKER.get(opened.trials[0], {})["worker"] == other.worker.worker
    assert opened.trials[0].values is None


def test_a_lock_that_was_lost_while_a_trial_was_created_starts_no_trial_too_many(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, other = on(study, 1), on(study, 1)
    lock = claims_file.study_lock

    @contextmanager
    def lost(*_: object) -> Iterator[Lock]:
        monkeypatch.setattr(claims_file, "study_lock", lock)
        yield Lock(lambda: other.next() is NoTrial.DONE)

    monkeypatch.setattr(claims_file, "study_lock", lost)
    assert late.next() is NoTrial.WAIT
    assert states(study) == ["WAITING"]
    assert late.next() is not NoTrial.WAIT
    assert states(study) == ["RUNNING"]


def test_a_worker_whose_run_was_killed_while_it_waited_for_the_lock_claims_nothing(
    study: optuna.Study,
) -> None:
    assert Claims(study, 1, parent=gone()).next() is NoTrial.ORPHANED
    assert not study.trials
    assert Claims(study, 1, parent=os.getppid()).next() == 1


def test_a_process_that_is_gone_is_seen_at_once_and_a_set_clock_kills_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claim = vars(Worker.here())
    assert not is_gone(claim)
    assert is_gone({**claim, "started": claim["started"] - 1}), "its process id was used again"
    assert not is_gone({**claim, "machine": "another boot", "pid": 2**22})
    left = Worker.here()
    left.ends()
    assert is_gone(vars(left)), "of a worker that ended, though its process goes on, as a notebook's does"
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone({**claim, "pid": child.pid}), "of a zombie only the exit status is left"
    assert is_gone({**claim, "pid": child.pid})
    monkeypatch.setattr("time.time", lambda: 0.0)
    monkeypatch.setattr("psutil.boot_time", lambda: 1e9)
    assert vars(Worker.here())["started"] == claim["started"]


def test_a_process_that_is_hidden_from_this_user_is_not_taken_for_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claim = {**vars(Worker.here()), "pid": 1}
    monkeypatch.setattr(Path, "read_bytes", lambda _: (_ for _ in ()).throw(FileNotFoundError()))
    assert not is_gone(claim)


def test_machines_of_one_name_and_workers_of_one_process_are_told_apart(study: optuna.Study) -> None:
    first = on(study)
    twin = on(study, pid=first.worker.pid, started=first.worker.started, machine="another boot")
    assert first.next() != twin.next()
    first.release()
    assert sorted(states(study)) == ["RUNNING", "WAITING"]


def test_the_heart_survives_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "BEAT_SECONDS", 0.001)
    beats, enough = [], threading.Event()

    def beat() -> None:
        beats.append(1)
        if len(beats) == 20:
            enough.set()
        raise (OSError, KeyError, RuntimeError)[len(beats) % 3]("storage")

    with Heartbeat(beat):
        assert enough.wait(20)


def gone() -> int:
    """Return the id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    return ended.pid


@pytest.mark.parametrize("with_its_run", [True, False])
def test_a_trial_is_not_given_up_because_everything_was_killed(
    study: optuna.Study, with_its_run: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []
    for _ in range(5):
        parent = gone() if with_its_run else os.getpid()
        monkeypatch.setattr(os, "getppid", lambda parent=parent: parent)
        claims = Claims(study, 1, parent=parent)
        claims.worker = dataclasses.replace(claims.worker, pid=gone())
        attempts.append(WORKER.of(study.trials[0])["attempt"] if claims.next() == 1 else None)
    assert attempts == ([1] * 5 if with_its_run else [1, 2, 3, None, None])
    assert states(study) == ["RUNNING" if with_its_run else "FAIL"]


@pytest.mark.parametrize(("others_died", "given_up"), [(0, True), (12, False)])
def test_a_trial_is_given_up_only_if_it_dies_more_than_others_do(
    study: optuna.Study, others_died: int, given_up: bool
) -> None:
    claims = on(study, 31)
    for number in range(30):
        trial = study.ask()
        WORKER.put(trial, {"pid": 1, "attempt": 2 if number < others_died else 1})
        study.tell(trial, 1.0)
    killer = claims.next()
    for attempt in (2, 3, 4):
        again = claims.next()  # its own claim, which it does not know any more
        if attempt == 4 and given_up:
            assert isinstance(again, NoTrial)
            assert states(study)[-1] == "FAIL"
            assert study.trials[-1].user_attrs["reason"] == "its worker died 3 times"
        else:
            assert again == killer
            assert WORKER.of(study.trials[-1])["attempt"] == attempt
