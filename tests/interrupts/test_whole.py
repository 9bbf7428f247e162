"""Signals interrupt no operation of a storage halfway: what a worker holds can then be put back."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from filelock import FileLock
from optuna.storages.journal._file import JournalFileSymlinkLock
from optuna.trial import TrialState

from optnas import Study, integer, minimize, ops
from optnas.interrupts import whole as whole_module
from optnas.interrupts.signals import stop_on_signals
from optnas.interrupts.whole import interruptible, whole
from optnas.run.local import run_here
from optnas.storages.lock import study_lock
from optnas.storages.opening import open_storage


def assert_interrupted(run: Callable[[list[str]], None]) -> list[str]:
    """Assert that something ends with ``KeyboardInterrupt``; return how far it came, which it lists."""
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        run(done)
    return done


def test_what_is_whole_is_interrupted_at_its_end() -> None:
    def run(done: list[str]) -> None:
        with whole():
            with whole():
                signal.raise_signal(signal.SIGTERM)
                done.append("inner")
            done.append("outer")
        done.append("after it")

    assert assert_interrupted(run) == ["inner", "outer"]
    with whole():
        pass  # nothing is left of it


def test_an_error_of_what_is_whole_does_not_hide_the_interrupt() -> None:
    def run() -> None:
        with whole():
            signal.raise_signal(signal.SIGINT)
            raise OSError("the disk is full")

    with pytest.raises(KeyboardInterrupt) as raised, stop_on_signals():
        run()
    assert isinstance(raised.value.__cause__, OSError)


def test_who_waits_in_what_is_whole_is_interrupted_at_once() -> None:
    def interrupted_as_it_waits(done: list[str]) -> None:
        with whole():
            with interruptible():
                signal.raise_signal(signal.SIGINT)
            done.append("waited")

    def interrupted_before(done: list[str]) -> None:
        with whole():
            signal.raise_signal(signal.SIGINT)
            with interruptible():
                done.append("waited")

    assert assert_interrupted(interrupted_as_it_waits) == []
    assert assert_interrupted(interrupted_before) == []


def test_who_waits_for_the_lock_of_a_study_is_interrupted_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_module, "_LONGEST_SECONDS", 120.0)
    storage = open_storage(f"sqlite:///{tmp_path}/a.db", create=True)

    def run(done: list[str]) -> None:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        with study_lock(storage, "s"):
            done.append("held")

    began = time.monotonic()
    with FileLock(tmp_path / "a.db.lock"):
        assert assert_interrupted(run) == []
    assert time.monotonic() - began < 60  # not when what does not answer is interrupted
    with study_lock(storage, "s"):
        pass


def test_what_takes_too_long_is_interrupted_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_module, "_LONGEST_SECONDS", 0.1)

    def run(done: list[str]) -> None:
        with whole():
            signal.raise_signal(signal.SIGINT)
            time.sleep(60)
            done.append("slept")

    assert assert_interrupted(run) == []


def signalled_once(method: Callable[..., object], at: int) -> Callable[..., object]:
    """Return a method that sends this process SIGTERM as its call number ``at`` ends."""
    calls = 0

    def call(*args: object, **kwargs: object) -> object:
        nonlocal calls
        result = method(*args, **kwargs)
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    return call


@pytest.mark.parametrize("at", [1, 2, 3, 4, 7, 10])
@pytest.mark.parametrize(
    ("owner", "name"),
    [(JournalFileSymlinkLock, "acquire"), (JournalFileSymlinkLock, "release"), (FileLock, "acquire")],
)
def test_a_run_that_is_stopped_within_an_operation_of_its_journal_puts_its_trial_back(
    owner: type, name: str, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(
        name="stopped",
        space=ops.seq(ops.conv(integer(1, 8, name="width"))),
        evaluate=lambda candidate, report: {"size": 1.0},
        objectives=[minimize("size")],
        sampler="random",
    )
    url = str(tmp_path / "j.log")
    opened = study.open(open_storage(url, create=True))
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, signalled_once(getattr(owner, name), at))
        assert_interrupted(lambda _: run_here(study, opened, 1000, threads=1, tick=lambda: None))

    seen_by_others = optuna.load_study(study_name="stopped", storage=open_storage(url, create=False))
    states = Counter(trial.state for trial in seen_by_others.get_trials())
    assert states[TrialState.RUNNING] == states[TrialState.FAIL] == 0
    assert [path.name for path in tmp_path.iterdir() if "lock" in path.name] == ["j.log.study.lock"]
    FileLock(tmp_path / "j.log.study.lock").acquire(timeout=0)
