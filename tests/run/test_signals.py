"""Signals stop a run once and soon, orphans run nothing, and a crash is no verdict on the study."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest

from optnas.interrupts.signals import STOP_SECONDS, stop_on_signals
from optnas.run.process import INTERRUPTED
from tests.files import finish, quick_study, start
from tests.run.test_budget import states, wait_for_trials

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("workers", "later"), [(1, signal.SIGINT), (2, signal.SIGTERM)])
def test_further_signals_do_not_interrupt_the_handing_back(
    workers: int, later: signal.Signals, tmp_path: Path
) -> None:
    file = quick_study(tmp_path, seconds=0.2)
    run = start("run", file, "--trials", 500, "--workers", workers, folder=tmp_path)
    wait_for_trials(tmp_path, 2)
    run.send_signal(signal.SIGTERM)
    while run.poll() is None:
        run.send_signal(later)
        time.sleep(0.02)
    output, _ = run.communicate()
    assert run.returncode == 130, output
    assert "Traceback" not in output
    assert states(tmp_path).get("RUNNING", 0) == 0


def test_ctrl_c_ends_soon_though_the_storage_does_not_answer(tmp_path: Path) -> None:
    url, lock = tmp_path / "j.log", tmp_path / "j.log.lock"
    run = start(
        "run", quick_study(tmp_path, seconds=0.1), "-n", 500, "-w", 1, "-s", url.name, folder=tmp_path
    )
    while not url.exists() or url.stat().st_size < 5_000:
        time.sleep(0.05)
    while not lock.is_symlink():  # as one who was stopped while it held the journal's own lock
        with contextlib.suppress(FileExistsError):
            lock.symlink_to(url)
    time.sleep(1)
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert time.monotonic() - began < 12  # Optuna waits for it for half a minute
    assert run.returncode == 130, output
    assert "Stopped, and the storage does not answer. Run the same command to go on." in output
    assert "Traceback" not in output


def test_an_interrupt_that_python_drops_is_raised_again() -> None:
    class Watched:
        pass

    def interrupt_in_a_callback() -> None:
        watched = Watched()
        reference = weakref.ref(watched, lambda _: signal.raise_signal(signal.SIGINT))
        del watched
        assert reference() is None
        time.sleep(60)

    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        interrupt_in_a_callback()


@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_was_ignored_stays_so(ignored: signal.Signals) -> None:
    before = signal.signal(ignored, signal.SIG_IGN)
    try:
        with stop_on_signals():
            signal.raise_signal(ignored)
    finally:
        signal.signal(ignored, before)


DEAF = """
        for _ in range(2):
            try:
                time.sleep(1000)
            except BaseException:
                pass"""
IN_A_LONG_CALL = """
        import hashlib
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)"""


@pytest.mark.parametrize(("workers", "what"), [(2, DEAF), (1, IN_A_LONG_CALL)])
def test_who_does_not_stop_is_ended_and_its_trial_taken_over(workers: int, what: str, tmp_path: Path) -> None:
    file = quick_study(tmp_path, seconds=0.0)
    once = f"""
    from pathlib import Path
    if not Path("deaf").exists():
        Path("deaf").touch(){what}
    time.sleep(0.1)"""
    file.write_text(file.read_text().replace("    time.sleep(0.0)", once))
    run = start("run", file, "--trials", 5, "--workers", workers, folder=tmp_path)
    while not (tmp_path / "deaf").exists():
        assert run.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=5 * STOP_SECONDS)
    finish(start("run", file, "--trials", 5, "--workers", 1, folder=tmp_path))
    assert states(tmp_path) == {"COMPLETE": 5}


def test_a_worker_whose_run_was_killed_as_it_started_runs_nothing(tmp_path: Path) -> None:
    task = {"parent": os.getppid(), "file": str(tmp_path / "no.py")}
    command = [sys.executable, "-m", "optnas.run.process"]
    ended = subprocess.run(command, input=json.dumps(task), text=True, capture_output=True)
    assert ended.returncode == INTERRUPTED
    assert not ended.stderr


@pytest.mark.parametrize("how", ["os._exit(1)", "os.kill(os.getpid(), 9)"])
def test_a_worker_that_crashes_is_no_verdict_on_the_study(how: str, tmp_path: Path) -> None:
    file = quick_study(tmp_path)
    once = '    import os\n    if not os.path.exists("crashed"):\n        open("crashed", "w").close()\n'
    file.write_text(file.read_text().replace("    time.sleep(0.0)", f"{once}        {how}"))
    finish(start("run", file, "--trials", 6, "--workers", 2, folder=tmp_path))
    assert states(tmp_path) == {"COMPLETE": 6}
