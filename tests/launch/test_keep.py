"""Workers are kept running: restarted when they die, stopped when asked, and never left without a keeper."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import psutil
import pytest

from optnas.launch.keep import Task
from optnas.storages.opening import open_storage
from tests.files import quick_study

pytestmark = pytest.mark.slow


def states(folder: Path) -> list[str]:
    try:
        study = optuna.load_study(study_name=None, storage=open_storage(str(folder / "j.log"), create=False))
    except (optuna.exceptions.OptunaError, ValueError, KeyError):
        return []
    return [trial.state.name for trial in study.get_trials(deepcopy=False)]


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


Keep = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Keep]:
    """Start a keeper of workers on a study in ``tmp_path``."""
    started: list[subprocess.Popen[bytes]] = []

    def start(trials: int = 6, workers: int = 1, file: str | Path = "quick.py") -> subprocess.Popen[bytes]:
        arguments = ["run", str(file), "--trials", str(trials), "--workers", "1", "--threads", "1"]
        environment = {"OPTNAS_STORAGE": "j.log"}
        task = Task(arguments, environment, workers, str(tmp_path), str(tmp_path / "logs" / "k.log"))
        (tmp_path / "logs").mkdir(exist_ok=True)
        keeper = subprocess.Popen(
            [sys.executable, "-m", "optnas.launch.keep"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(keeper)
        assert keeper.stdin is not None
        keeper.stdin.write(json.dumps(dataclasses.asdict(task)).encode())
        keeper.stdin.close()
        keeper.stdin = None
        return keeper

    yield start
    for keeper in started:
        if keeper.poll() is None:
            keeper.kill()
        keeper.communicate()


def workers_of(keeper: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return [
        each for each in psutil.Process(keeper.pid).children() if "optnas.launch.worker" in each.cmdline()
    ]


def test_workers_that_die_are_restarted_until_the_study_is_done(tmp_path: Path, keep: Keep) -> None:
    quick_study(tmp_path, seconds=0.1)
    keeper = keep(trials=25, workers=2)
    for reached in (3, 9):
        until(lambda reached=reached: states(tmp_path).count("COMPLETE") >= reached)
        workers_of(keeper)[0].kill()
    _, said = keeper.communicate(timeout=90)
    assert keeper.returncode == 0, said
    assert states(tmp_path) == ["COMPLETE"] * 25
    assert said.count(b"signal SIGKILL, restarted") == 2


def test_a_study_that_cannot_run_is_not_tried_again(tmp_path: Path, keep: Keep) -> None:
    keeper = keep(file="none.py", workers=2)
    _, said = keeper.communicate(timeout=60)
    assert keeper.returncode == 2
    assert b"restarted" not in said
    # Whichever worker came first; the other is then asked to stop.
    log = re.search(r"worker \d ended with status 2 \(its log: (.+)\)", said.decode())
    assert log is not None, said
    assert "no such file: none.py" in Path(log[1]).read_text()


def test_a_keeper_that_is_asked_to_stop_hands_all_trials_back(tmp_path: Path, keep: Keep) -> None:
    quick_study(tmp_path, seconds=0.2)
    keeper = keep(trials=1000, workers=2)
    until(lambda: states(tmp_path).count("RUNNING") == 2)
    keeper.send_signal(signal.SIGTERM)
    _, said = keeper.communicate(timeout=30)
    assert keeper.returncode == 130
    assert b"handed back" in said
    assert states(tmp_path).count("RUNNING") == 0
    assert states(tmp_path).count("FAIL") == 0


def test_workers_whose_keeper_is_killed_end_too(tmp_path: Path, keep: Keep) -> None:
    quick_study(tmp_path, seconds=0.2)
    keeper = keep(trials=1000)
    until(lambda: states(tmp_path).count("RUNNING") == 1)
    (worker,) = workers_of(keeper)
    os.kill(keeper.pid, signal.SIGKILL)
    worker.wait(30)
    assert states(tmp_path).count("RUNNING") == 0
