"""``optnas launch``: what is refused before anything starts, and what is shown without secrets."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path

import optuna
import pytest

from optnas.launch.registry import ENGINES
from optnas.storages.opening import open_storage
from tests.files import assert_refused, call, quick_study, start
from tests.launch.test_keep import states, until

URL = "postgresql+psycopg://me:s3cret@db.example/x"
NEEDS = {"slurm": "submitit", "local-submitit": "submitit", "ray": "ray"}
OPTIONS = {
    "ssh": ["--host", "anna,bert"],
    "compose": ["--image", "me/optnas", "--artifacts", "none"],
    "kubernetes": ["--image", "me/optnas", "--artifacts", "none"],
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def skip_without(engine: str) -> None:
    if engine in NEEDS and importlib.util.find_spec(NEEDS[engine]) is None:
        pytest.skip(f"{NEEDS[engine]} is not installed")


@pytest.mark.parametrize("engine", ENGINES)
def test_print_shows_every_worker_s_command_and_no_secret(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without(engine)
    monkeypatch.setenv("OPTNAS_STORAGE", URL)
    monkeypatch.setenv("TOKEN", "t0ken")
    more = OPTIONS.get(engine, [])
    result = call(
        "launch",
        quick_study(tmp_path),
        "--print",
        "--engine",
        engine,
        "-n",
        77,
        "-w",
        3,
        "--env",
        "TOKEN",
        *more,
    )
    assert result.exit_code == 0, result.output
    for expected in ("quick.py", "--trials", "77", "OPTNAS_STORAGE", "TOKEN"):
        assert expected in result.output
    assert "s3cret" not in result.output
    assert "t0ken" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["quick.py"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--engine", "slum"], "did you mean 'slurm'?"),
        (["--engine", "ssh", "--host", "anna"], "SQLite is a file for one machine"),
        (["--engine", "kubernetes", "--image", "i"], "SQLite is a file for one machine"),
        (["--engine", "compose", "--image", "i", "-s", "j.log"], "containers do not see the file j.log"),
        (["--engine", "compose", "--image", "i", "-s", "mysql://localhost/x"], "loopback address"),
        (["--engine", "compose", "--image", "i", "-s", URL], "give --artifacts s3://bucket"),
        (["--engine", "kubernetes", "--artifacts", "none", "-s", URL], "give --image"),
        (["--engine", "ssh", "-s", URL], "give the machines, as in --host anna,bert"),
        (["--engine", "ssh", "-s", URL, "--host=-oProxyCommand=x"], "that is no host"),
        (["--host", "anna"], "--host does not go with --engine local"),
        (["--gpus-per-worker", "1"], "--gpus-per-worker does not go with --engine local"),
        (["--workers", "0"], "--workers 0: it must be more than 0"),
        (["--cpus-per-worker", "-1"], "--cpus-per-worker -1: it must be more than 0"),
        (["--set", "x"], "--set x: write it as KEY=VALUE"),
        (["--env", "NO_SUCH_VARIABLE"], "no such environment variable is set here"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    result = call("launch", quick_study(tmp_path), *arguments)
    assert_refused(result, said)
    assert "s3cret" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["quick.py"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "time=1-0"], "--set time=1-0: give a number of minutes"),
        (["--gpus-per-worker", "0.5"], "Slurm gives whole GPUs"),
    ],
)
def test_what_slurm_cannot_is_refused(arguments: list[str], said: str, tmp_path: Path) -> None:
    skip_without("slurm")
    assert_refused(call("launch", quick_study(tmp_path), "--engine", "slurm", "-s", URL, *arguments), said)


def test_settings_reach_sbatch(tmp_path: Path) -> None:
    skip_without("slurm")
    settings = ["--set", "partition=gpu", "--set", "time=30", "--set", "licenses=x", "--gpus-per-worker", 2]
    result = call("launch", quick_study(tmp_path), "--engine", "slurm", "-s", URL, "--print", *settings)
    for flag in ("partition=gpu", "time=30", "licenses=x", "gpus-per-node=2", "requeue"):
        assert f"#SBATCH --{flag}\n" in result.output


@pytest.mark.slow
def test_workers_on_this_machine_end_with_the_total_and_a_second_launch_says_so(tmp_path: Path) -> None:
    file = quick_study(tmp_path)
    result = call("launch", file, "-n", 7, "-w", 2)
    assert result.exit_code == 0, result.output
    assert "7/7 trials" in result.output
    study = optuna.load_study(study_name="quick", storage=open_storage("sqlite:///optnas.db"))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 7
    assert "has 7 trials already" in call("launch", file, "-n", 7).output


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_hands_all_trials_back(number: signal.Signals, tmp_path: Path) -> None:
    launched = start("launch", quick_study(tmp_path, seconds=0.2), "-w", 2, "-s", "j.log", folder=tmp_path)
    until(lambda: states(tmp_path).count("RUNNING") == 2)
    launched.send_signal(number)
    output, _ = launched.communicate(timeout=60)
    assert launched.returncode == 130, output
    assert "Run the same command to go on" in output
    assert states(tmp_path).count("RUNNING") == 0


@pytest.mark.slow
def test_workers_that_are_left_running_finish_alone(tmp_path: Path) -> None:
    result = call("launch", quick_study(tmp_path, seconds=0.1), "-n", 8, "-w", 1, "-s", "j.log", "--detach")
    assert result.exit_code == 0, result.output
    pid = int(result.output.strip().rpartition(" ")[2])
    os.waitpid(pid, 0)
    assert states(tmp_path) == ["COMPLETE"] * 8
