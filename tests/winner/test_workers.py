"""Trainings in several processes: equal to those in one, and resumed when a process is killed."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from subprocess import Popen

import psutil
import pytest

from tests.files import call, start
from tests.winner.test_command import QUICK, STUDY

LONG = ("train", "small.py", "-a", QUICK, "--set", "lr=0.001", "--epochs", 100, "--seeds", 2)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("OPTNAS_STORAGE", raising=False)
    Path("small.py").write_text(STUDY)


def trainers(process: Popen[str]) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children()
    return [each for each in children if "optnas.winner.process" in each.cmdline()]


def wait_for(process: Popen[str], *names: str) -> None:
    while not all(Path("net/checkpoints", name).exists() for name in names):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def trained_by_one(*arguments: object) -> None:
    assert call(*arguments, "--out", "one").exit_code == 0


def assert_the_same() -> None:
    assert Path("net/model.safetensors").read_bytes() == Path("one/model.safetensors").read_bytes()
    records = [json.loads(Path(out, "metrics.json").read_text()) for out in ("net", "one")]
    curves = [[training["curve"] for training in each["trainings"]] for each in records]
    assert curves[0] == curves[1]
    assert records[0]["test"] == records[1]["test"]


@pytest.mark.slow
def test_a_killed_process_is_told_and_what_it_trained_goes_on_to_what_one_process_has() -> None:
    trained_by_one(*LONG)
    process = start(*LONG, "--out", "net", "--workers", 2, folder=Path.cwd())
    wait_for(process, "seed-0.safetensors")
    trainers(process)[0].send_signal(signal.SIGKILL)
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 2, told
    assert "its process was ended by SIGKILL: run the same command to go on where it was" in told
    assert not Path("net/metrics.json").exists()
    again = call(*LONG, "--out", "net")
    assert again.exit_code == 0, again.output
    assert_the_same()


@pytest.mark.slow
def test_stopped_processes_keep_what_they_have_and_go_on_to_what_one_process_has() -> None:
    trained_by_one(*LONG)
    process = start(*LONG, "--out", "net", "--workers", 2, folder=Path.cwd())
    wait_for(process, "seed-0.safetensors", "seed-1.safetensors")
    children = trainers(process)
    assert len(children) == 2
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert not any(each.is_running() for each in children)
    again = call(*LONG, "--out", "net", "--workers", 2)
    assert again.exit_code == 0, again.output
    assert_the_same()
