"""What the chaos benchmark counts as a broken promise."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from optnas.trials.record import WORKER
from tests.files import REPOSITORY


class Run:
    """A run of one trial whose first worker was killed, and all of whose promises are kept."""

    def __init__(self, folder: Path) -> None:
        modules = {
            name: importlib.import_module(f"chaos_{name}") for name in ("promises", "faults", "workers")
        }
        self._judge = modules["promises"].judge
        table = importlib.import_module("chaos_study").table
        params = {"width": 7, "beta": 1.5}
        values = list(table(params).values())
        ranges = {
            "width": optuna.distributions.IntDistribution(1, 9),
            "beta": optuna.distributions.FloatDistribution(1, 2),
        }
        self.trial: dict[str, Any] = {
            "state": TrialState.COMPLETE,
            "values": values,
            "params": params,
            "distributions": ranges,
            "user_attrs": {
                "rung:3": list(table(params, 3).values()),
                "metrics": {**table(params), "stamp": 2.0},
            },
            "system_attrs": {WORKER.name: {"pid": 12}},
        }
        attempt = modules["workers"].Attempt
        self.killed = attempt("w0.0", 11, 0, 1, params, begun=10.0)
        self.again = attempt("w0.1", 12, 0, 2, params, begun=16.0, ended=17.0, end="complete")
        life = modules["workers"].Life
        self.first = life("w0.0", "m0", 5.0, ended=12.1, status=-9)
        self.second = life("w0.1", "m0", 12.2, ended=18.0, status=0)
        self.fault = modules["faults"].Struck("kill -9, a process", 12.0, label="w0.0", pid=11)
        self.log = folder / "w0.0.log"
        self.log.write_text("1/1 trials\n")
        self.evidence: dict[str, Any] = {"total": 1, "left": [], "missing": 0, "given_up": ""}

    def broken(self) -> list[str]:
        """Return the promises that are broken."""
        trials: list[FrozenTrial] = [create_trial(**self.trial)]
        trials[0].number = 0
        evidence = importlib.import_module("chaos_promises").Evidence(
            trials=trials,
            attempts=[self.killed, self.again],
            lives=[self.first, self.second],
            struck=[self.fault],
            logs=[self.log],
            secrets=["s3cret"],
            **self.evidence,
        )
        return [promise.text for promise in self._judge(evidence) if promise.broken]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    verbosity = optuna.logging.get_verbosity()
    monkeypatch.syspath_prepend(REPOSITORY / "examples" / "benchmarks")
    yield Run(tmp_path)
    optuna.logging.set_verbosity(verbosity)


def test_a_trial_whose_worker_was_killed_and_that_was_run_again_breaks_no_promise(run: Run) -> None:
    assert run.broken() == []


def test_a_trial_too_many_or_one_that_runs_on_is_seen(run: Run) -> None:
    run.evidence["total"] = 2
    assert run.broken() == ["the workers end with exactly 2 trials, all finished"]
    run.evidence["total"] = 1
    run.trial |= {"state": TrialState.RUNNING, "values": None}
    assert run.broken() == ["the workers end with exactly 1 trials, all finished"]


def test_a_failure_that_is_not_the_objectives_is_seen(run: Run) -> None:
    run.trial |= {"state": TrialState.FAIL, "values": None}
    run.trial["user_attrs"]["reason"] = "OperationalError: the connection was lost"
    run.again.end = "failed"
    assert run.broken() == ["no FAIL but the objective's own"]


def test_a_wrong_value_is_seen_wherever_it_stands(run: Run) -> None:
    values = run.trial["values"]
    run.trial["values"] = [values[0] + 1e-9, values[1]]
    assert run.broken() == ["every value is the function's"]
    run.trial["values"] = values
    run.trial["user_attrs"]["rung:3"] = values
    assert run.broken() == ["every value is the function's"]


def test_a_result_of_a_worker_that_had_lost_the_trial_is_seen(run: Run) -> None:
    run.trial["system_attrs"][WORKER.name] = {"pid": 11}
    assert run.broken() == ["a result is of the worker that had the claim"]


def test_a_result_that_its_worker_could_not_hand_in_may_be_handed_in_by_another(run: Run) -> None:
    run.trial["user_attrs"]["metrics"]["stamp"] = 1.0
    run.killed.ended, run.killed.end = 11.9, "complete"
    assert run.broken() == ["a result is of the worker that had the claim"]  # it was evaluated again
    run.again.trial, run.again.params = 1, {}
    assert run.broken() == []
    run.fault.at = 9.0  # and nothing struck it at that trial
    assert run.broken() == ["a result is of the worker that had the claim"]


def test_an_evaluation_that_no_fault_explains_is_seen(run: Run) -> None:
    promise = ["nothing is evaluated twice but what a fault interrupted"]
    run.fault.pid = 99  # another process
    assert run.broken() == promise
    run.fault.pid, run.fault.at = 11, 16.5  # after the trial was begun again
    assert run.broken() == promise


def test_a_trial_that_was_taken_from_a_stopped_worker_before_its_lease_ended_is_seen(run: Run) -> None:
    run.fault.kind, run.first.status = "SIGSTOP over the lease, then SIGCONT", 0
    assert run.broken() == ["nothing is evaluated twice but what a fault interrupted"]
    run.again.begun = run.fault.at + 61
    run.second.ended = run.again.begun + 2
    assert run.broken() == []


def test_a_command_that_ends_without_being_struck_is_seen(run: Run) -> None:
    run.second.status = 1
    assert run.broken() == ["a command that no fault ends exits with 0"]


def test_a_slow_end_after_sigterm_is_seen(run: Run) -> None:
    run.fault.kind, run.first.ended, run.again.begun = "SIGTERM to every command", 24.5, 25.0
    assert run.broken() == ["SIGTERM ends a command within 10 s"]


def test_an_orphan_that_goes_on_with_trials_is_seen(run: Run) -> None:
    run.again.begun = 30.0
    run.second.ended = 18.0
    assert run.broken() == ["a dead command's processes begin no trial"]


@pytest.mark.parametrize(
    ("line", "promise"),
    [
        ("Traceback (most recent call last):\n  File …\nValueError: no", "no traceback in any log"),
        ("error: postgresql://me:s3cret@host cannot be reached", "no password in any log"),
    ],
)
def test_what_no_log_may_hold_is_seen(run: Run, line: str, promise: str) -> None:
    run.log.write_text(line)
    assert run.broken() == [promise]
