"""Workers by submitit: a job that is preempted hands its trial back, and is queued again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from optnas.launch.engine import Placement
from optnas.launch.job import Job
from tests.files import quick_study
from tests.launch.test_keep import states, until

pytest.importorskip("submitit", reason="submitit is not installed")

from optnas.launch.slurm import LocalSubmitit

pytestmark = pytest.mark.slow


def task_of(controller: str) -> psutil.Process:
    """Return the process that runs the submitted function."""
    (task,) = psutil.Process(int(controller)).children()
    return task


def test_a_preempted_job_is_queued_again_and_the_total_is_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    quick_study(tmp_path, seconds=0.2)
    engine = LocalSubmitit(Job("quick.py", "quick", "j.log", trials=30, workers=2), Placement())
    engine.start()
    try:
        until(lambda: states(tmp_path).count("COMPLETE") >= 3)
        task = task_of(engine.jobs[0].job_id)
        task.send_signal(signal.SIGUSR2)  # as Slurm does before a time limit
        until(lambda: not engine.runs() or not task.is_running(), 60)
        until(lambda: not engine.runs())
    finally:
        engine.stop()
    assert states(tmp_path) == ["COMPLETE"] * 30
    said = "".join(path.read_text() for path in tmp_path.glob("optnas-logs/quick-submitit/*.out"))
    assert said.count("Requeued job") == 1
    assert "OPTNAS_STORAGE" not in os.environ


def test_jobs_that_are_ended_hand_their_trials_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    quick_study(tmp_path, seconds=0.2)
    engine = LocalSubmitit(Job("quick.py", "quick", "j.log", trials=1000, workers=1), Placement())
    engine.start()
    until(lambda: states(tmp_path).count("RUNNING") == 1)
    engine.stop()
    assert states(tmp_path).count("RUNNING") == 0
    assert states(tmp_path).count("FAIL") == 0
