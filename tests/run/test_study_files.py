"""What study files do besides declaring a study."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from optnas.storages.opening import open_storage
from optnas.trials.record import WORKER
from tests.files import call, finish, quick_study, start


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["optnas", "run", "quick.py"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import sys; sys.exit()", "quick.py:1: sys.exit() ended the file"),
        ("import sys; sys.exit(0)", "quick.py:1: sys.exit(0) ended the file"),
        ("import sys; sys.exit('no data')", "quick.py:1: sys.exit('no data') ended the file"),
        ("exit()", "ended the file before the study was read"),
        ("raise SystemExit", "quick.py:1: sys.exit() ended the file"),
        (
            "import argparse; p = argparse.ArgumentParser(); p.add_argument('--data', required=True);"
            " p.parse_args()",
            "quick.py:1: argparse ended the file (the following arguments are required: --data)",
        ),
        ("raise GeneratorExit('odd')", "quick.py:1: GeneratorExit: odd"),
    ],
)
def test_a_file_that_ends_itself_is_told_with_its_line(line: str, said: str, tmp_path: Path) -> None:
    file = quick_study(tmp_path)
    file.write_text(f"{line}\n{file.read_text()}")
    result = call("run", "quick.py", "--trials", 1)
    assert result.exit_code == 2
    last = result.output.strip().splitlines()[-1]  # argparse prints its usage itself
    assert last.startswith("error: ")
    assert said in last


def test_a_file_sees_no_arguments_but_its_own_name(tmp_path: Path) -> None:
    file = quick_study(tmp_path)
    parse = "import argparse, sys; assert len(sys.argv) == 1; argparse.ArgumentParser().parse_args()\n"
    file.write_text(parse + file.read_text())
    for workers in (1, 2):
        assert call("run", "quick.py", "--trials", 2 * workers, "--workers", workers).exit_code == 0


def test_what_a_file_prints_does_not_stand_in_json(tmp_path: Path) -> None:
    file = quick_study(tmp_path)
    noise = "import os; print('loading'); os.system('echo from a shell')\n"
    file.write_text(noise + file.read_text())
    assert call("run", "quick.py", "--trials", 2, "--workers", 1).exit_code == 0
    for command in (["pareto", "quick.py"], ["show", "0", "--study", "quick.py"]):
        ran = subprocess.run(
            [sys.executable, "-m", "optnas.cli", *command, "--json"], capture_output=True, text=True
        )
        assert json.loads(ran.stdout)
        assert "loading" in ran.stderr
        assert "from a shell" in ran.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_closed_session_ends_workers_and_leaves_no_running_trial(workers: int, tmp_path: Path) -> None:
    quick_study(tmp_path, seconds=0.3)
    process = start("run", "quick.py", "--trials", 500, "--workers", workers, folder=tmp_path)
    storage = wait_for_trials(tmp_path)
    (study,) = storage.get_all_studies()
    pids = {WORKER.get(t, {}).get("pid") for t in storage.get_all_trials(study._study_id)}
    process.send_signal(signal.SIGHUP)
    process.wait(timeout=60)
    states = {trial.state.name for trial in storage.get_all_trials(study._study_id)}
    assert "RUNNING" not in states
    assert not any(is_alive(pid) for pid in pids - {None, process.pid})


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_nohup_stays_in_force(tmp_path: Path) -> None:
    quick_study(tmp_path, seconds=0.2)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which processes hand down
    try:
        process = start("run", "quick.py", "--trials", 8, "--workers", 1, folder=tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_for_trials(tmp_path)
    process.send_signal(signal.SIGHUP)
    assert "8/8 trials" in finish(process)


def wait_for_trials(folder: Path):
    """Return the storage once two trials are finished."""
    file = folder / "optnas.db"
    for _ in range(600):
        time.sleep(0.1)
        if not file.exists():
            continue
        storage = open_storage(f"sqlite:///{file}")
        studies = storage.get_all_studies()
        trials = storage.get_all_trials(studies[0]._study_id) if studies else []
        if sum(trial.state.is_finished() for trial in trials) >= 2:
            return storage
    raise AssertionError("no trial finished")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
