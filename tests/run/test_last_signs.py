"""What `optnas status` says of running trials whose workers are gone or silent."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial
from rich.console import Console

from optnas.reports.terminal import StudiesView
from optnas.run import last_signs as last_signs_file
from optnas.run.claims import Claims
from optnas.run.last_signs import last_signs
from optnas.run.liveness import Worker
from optnas.trials.record import WORKER

NOW = 1_000_000.0


@pytest.fixture(autouse=True)
def the_time_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_signs_file.time, "time", lambda: NOW)


def ended() -> int:
    """The process id of a process that was killed."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process.kill()
    process.communicate()
    return process.pid


def running(number: int, **claim: Any) -> FrozenTrial:
    worker = dataclasses.asdict(Worker.here()) | {"host": "here", "token": "a", "beat": 0, **claim}
    trial = create_trial(state=TrialState.RUNNING, system_attrs={WORKER.name: worker})
    trial.number = number
    return trial


def test_workers_that_were_killed_are_told_with_their_last_sign() -> None:
    pid = ended()
    trials = [running(3, pid=pid, seen=NOW - 100), running(4, pid=pid, seen=NOW - 12), running(5, seen=NOW)]
    assert [*last_signs(trials)] == [
        "trials 3, 4: workers gone on here, last heard of 0:00:12 ago; optnas run goes on with them"
    ]


def test_a_worker_elsewhere_is_silent_only_after_some_beats() -> None:
    elsewhere = {"machine": "another", "host": "there"}
    assert not [*last_signs([running(0, **elsewhere, seen=NOW - 12), running(1, **elsewhere)])]
    (told,) = last_signs([running(7, **elsewhere, seen=NOW - 100)])
    assert told == "trial 7: worker silent on there, last heard of 0:01:40 ago; optnas run goes on with it"


def test_a_worker_of_an_older_optnas_that_is_gone_is_told_without_a_time() -> None:
    (told,) = last_signs([running(2, pid=ended())])
    assert told == "trial 2: worker gone on here; optnas run goes on with it"


def test_status_shows_it_below_the_counts() -> None:
    study = optuna.create_study(study_name="seen")
    worker = dataclasses.asdict(Worker.here()) | {"pid": ended(), "host": "here", "seen": NOW - 5}
    study.add_trial(create_trial(state=TrialState.RUNNING, system_attrs={WORKER.name: worker}))
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(StudiesView([study], last_signs))
    _, counts, sign, *_ = console.export_text().splitlines()
    assert "1 running" in counts
    assert "trial 0: worker gone on here, last heard of 0:00:05 ago" in sign


def test_a_claim_says_when_it_was_made_and_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study()
    claims = Claims(study, 1)
    claims.next()
    made = study.trials[0].system_attrs[WORKER.name]["seen"]
    monkeypatch.setattr(last_signs_file.time, "time", lambda: NOW + 10)
    claims.beat()
    renewed = study.trials[0].system_attrs[WORKER.name]["seen"]
    assert (made, renewed) == (NOW, NOW + 10)
